package evidence_test

import (
	"fmt"
	"os"
	"testing"
)

// skip skips a test that this machine cannot run. In CI, which is to have what it
// takes, that is a failure: a test that nobody misses verifies nothing.
func skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SAFECONDUCT_CI") != "" {
		t.Fatalf("CI is to run this: "+format, args...)
	}
	fmt.Fprintf(os.Stderr, "NOT TESTED: %s: "+format+"\n", append([]any{t.Name()}, args...)...)
	t.Skipf(format, args...)
}
