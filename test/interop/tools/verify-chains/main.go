// Verify-chains verifies leaves and reads CRLs with Go's crypto/x509.
//
// Standard input is a JSON array of {root, intermediates, leaf, crl?, purpose, name?}, files being PEM. Standard output
// is a JSON array of one sentence each: "valid", "revoked CODE" or why not.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"os"
)

type request struct {
	Root, Leaf, CRL, Purpose, Name string
	Intermediates                  []string
}

var purposes = map[string]x509.ExtKeyUsage{
	"serverAuth": x509.ExtKeyUsageServerAuth,
	"clientAuth": x509.ExtKeyUsageClientAuth,
}

func read(path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		log.Fatalf("%s: not one PEM block", path)
	}
	return block.Bytes
}

func certificate(path string) *x509.Certificate {
	parsed, err := x509.ParseCertificate(read(path))
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	return parsed
}

func judge(asked request) string {
	leaf, roots, intermediates := certificate(asked.Leaf), x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(certificate(asked.Root))
	for _, path := range asked.Intermediates {
		intermediates.AddCert(certificate(path))
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		DNSName:       asked.Name,
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{purposes[asked.Purpose]},
	})
	if err != nil {
		return fmt.Sprintf("not valid: %v", err)
	}
	if asked.CRL == "" {
		return "valid"
	}
	list, err := x509.ParseRevocationList(read(asked.CRL))
	if err != nil {
		return fmt.Sprintf("the CRL cannot be read: %v", err)
	}
	if err := list.CheckSignatureFrom(chains[0][1]); err != nil || !bytes.Equal(list.RawIssuer, leaf.RawIssuer) {
		return "the CRL is not of the issuer"
	}
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
			return fmt.Sprintf("revoked %d", entry.ReasonCode)
		}
	}
	return "valid"
}

func main() {
	var asked []request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	answers := make([]string, len(asked))
	for index, one := range asked {
		answers[index] = judge(one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
