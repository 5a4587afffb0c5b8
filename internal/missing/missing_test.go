package missing_test

import (
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/internal/missing"
)

// attempt is a test that notes what is done with it.
type attempt struct {
	testing.TB
	failed, skipped bool
}

func (a *attempt) Helper()      {}
func (a *attempt) Name() string { return "TestX" }
func (a *attempt) Fatal(...any) { a.failed = true; panic(a) }
func (a *attempt) Skip(...any)  { a.skipped = true; panic(a) }

func skip(thing string) *attempt {
	a := new(attempt)
	func() {
		defer func() { _ = recover() }()
		missing.Skip(a, thing, "version %d", 7)
	}()
	return a
}

func TestSkip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "skipped")
	t.Setenv(missing.Skipped, path)
	t.Setenv(missing.Required, "strace python3")
	if a := skip("openssl"); a.failed || !a.skipped {
		t.Errorf("got %+v, want a test that was skipped", a)
	}
	if a := skip("python3"); !a.failed || a.skipped {
		t.Errorf("got %+v, want a test that failed: CI is to have it", a)
	}
	got, err := os.ReadFile(path)
	if want := "NOT TESTED: TestX needs openssl: version 7\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
