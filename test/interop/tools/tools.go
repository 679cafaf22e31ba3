//go:build tools

// Package tools pins the other people's programs that the interop tests run, by version and hash.
package tools

import (
	_ "github.com/go-acme/lego/v4/cmd/lego"
	_ "github.com/zmap/zlint/v3/cmd/zlint"
)
