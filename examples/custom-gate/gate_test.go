package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

func TestNoSudo(t *testing.T) {
	guarded := middleware.Wrap(middlewaretest.Echo, NoSudo())
	_, err := guarded(t.Context(), middlewaretest.Tool("shell", "sudo ls"))
	middlewaretest.WantDenied(t, err, middleware.CodePolicy)
	if _, err := guarded(t.Context(), middlewaretest.Tool("shell", "ls")); err != nil {
		t.Error(err)
	}
}

func TestNoSudoIsAGoodInterceptor(t *testing.T) {
	if err := middlewaretest.TestInterceptor(NoSudo); err != nil {
		t.Error(err)
	}
}

func Example() {
	main()
	// Output:
	// ls -> (ran ls) <nil>
	// sudo rm -rf / -> Denied (policy): agents do not get root. Do not repeat this call unchanged. <nil>
}

// A gate is to stay under 15 lines, its test under 10, and a file with all of a gate's life
// under 40, of public packages, so that each can be copied.
func TestSizes(t *testing.T) {
	for file, tt := range map[string]struct {
		code *regexp.Regexp
		max  int
	}{
		"gate.go":      {regexp.MustCompile(`(?s)// gate begins\n(.*)// gate ends`), 14},
		"gate_test.go": {regexp.MustCompile(`(?s)(func TestNoSudo\(.*?\n}\n)`), 9},
		"life_test.go": {regexp.MustCompile(`(?s)(.*)`), 39},
	} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^\s*"[^"]*/internal/`).Match(src) {
			t.Errorf("%s: it imports what others cannot", file)
		}
		m := tt.code.FindSubmatch(src)
		if m == nil {
			t.Fatalf("%s: cannot find it", file)
		}
		if n := strings.Count(strings.TrimSpace(string(m[1])), "\n") + 1; n > tt.max {
			t.Errorf("%s: %d lines, want at most %d", file, n, tt.max)
		}
	}
}
