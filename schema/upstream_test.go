package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/schema"
)

// panics reports whether f panics.
func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

// wantPanic fails unless f panics, and says what begins so.
func wantPanic(t testing.TB, what, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got panic %q, want one that begins with %q", what, got, want)
		}
	}()
	f()
}

func mustCompile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile("test", []byte(text))
	if err != nil {
		t.Fatalf("Compile(%.200s): got %v, want no error", text, err)
	}
	return s
}

// violations returns those of err, or none where it is no ValidationError.
func violations(err error) []schema.Violation {
	var invalid *schema.ValidationError
	if errors.As(err, &invalid) {
		return invalid.Violations
	}
	return nil
}

// wantViolation fails unless err is a ValidationError that begins with a violation
// of the keyword at the pointer.
func wantViolation(t testing.TB, what string, err error, pointer, keyword string) {
	t.Helper()
	v := violations(err)
	if len(v) == 0 {
		t.Errorf("%.100s: got error %v, want a violation of %s at %q", what, err, keyword, pointer)
		return
	}
	if v[0].Pointer != pointer || v[0].Keyword != keyword {
		t.Errorf("%.100s: got a violation of %s at %q (%s), want one of %s at %q",
			what, v[0].Keyword, v[0].Pointer, v[0].Reason, keyword, pointer)
	}
}
