package shown_test

import (
	"cmp"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/shown"
)

// line is where it is called.
func line() int {
	_, _, n, _ := runtime.Caller(1)
	return n
}

func TestPanickedSaysWhere(t *testing.T) {
	var none *struct{ n int }
	var table map[string]int
	var list []int
	at := 0
	for name, f := range map[string]func(){
		"a value":              func() { at = line(); panic("password") },
		"no value":             func() { at = line(); panic(nil) },
		"a nil pointer":        func() { at = line(); none.n++ },
		"an index":             func() { at = line(); _ = list[len(list)] },
		"a nil map":            func() { at = line(); table["password"] = 1 },
		"the standard library": func() { at = line(); _ = strings.Repeat("password", -1) },
		"called back": func() {
			slices.SortFunc([]string{"b", "a"}, func(a, b string) int { at = line(); panic(cmp.Compare(a, b)) })
		},
		"twice": func() {
			defer func() { at = line(); panic(recover()) }()
			panic("password")
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, file, _, _ := runtime.Caller(0); name == "the standard library" && !filepath.IsAbs(file) {
				t.Skip("with -trimpath the place is in the library")
			}
			defer func() {
				if recover() == nil {
					t.Fatal("it did not panic")
				}
				if got, want := shown.Panicked("the gate"), "the gate panicked at panic_test.go:"+strconv.Itoa(at); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			f()
		})
	}
}

func TestPanickedWithoutAPanic(t *testing.T) {
	if got := shown.Panicked("the gate"); got != "the gate panicked" {
		t.Errorf("got %q, want no place", got)
	}
}
