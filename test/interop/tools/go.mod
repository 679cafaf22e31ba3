module chancery.test/interop/tools

go 1.24.0

require (
	github.com/go-acme/lego/v4 v4.29.0
	github.com/zmap/zlint/v3 v3.6.0
)
