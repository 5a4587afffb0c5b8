// Package missing is for tests that need what a machine may not have. A test that
// is skipped verifies nothing, and go test is silent about it: so it is written
// down, and in CI it is a failure where CI is to have the thing.
package missing

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The environment variables: the things that are there, separated by spaces, and
// the file that gets a line for each test that was skipped.
const (
	Required = "SAFECONDUCT_CI"
	Skipped  = "SAFECONDUCT_SKIPPED"
)

// Skip skips the test for want of a thing, and says why. It fails the test where
// the thing is required.
func Skip(t testing.TB, thing, why string, args ...any) {
	t.Helper()
	why = fmt.Sprintf("needs "+thing+": "+why, args...)
	if slices.Contains(strings.Fields(os.Getenv(Required)), thing) {
		t.Fatal(why)
	}
	if path := os.Getenv(Skipped); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(f, "NOT TESTED: %s %s\n", t.Name(), why)
			_ = f.Close() // the write said what is wrong
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Skip(why)
}
