package unguarded_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"example.com/safeconduct/cmd/safeconduct-vet/unguarded"
)

func TestAnalyzer(t *testing.T) {
	for _, pkg := range []string{
		"calls", "flow", "funcs", "wrappers", "clients", "guard", "lib", "facts", "directives", "intests", "stranger",
	} {
		t.Run(pkg, func(t *testing.T) { analysistest.Run(t, analysistest.TestData(), unguarded.New(), pkg) })
	}
}

func TestFlags(t *testing.T) {
	a := unguarded.New()
	for _, name := range []string{"list", "tests"} {
		if err := a.Flags.Set(name, "true"); err != nil {
			t.Fatal(err)
		}
	}
	analysistest.Run(t, analysistest.TestData(), a, "listed")
}
