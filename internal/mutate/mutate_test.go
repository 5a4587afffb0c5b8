package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const weak = `package weak

func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func Never(n int) bool {
	n++
	return false
}
`

const weakTest = `package weak

import "testing"

func TestMax(t *testing.T) {
	if Max(2, 1) != 2 || Max(1, 3) != 3 {
		t.Error("no maximum")
	}
}
`

func module(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMutants(t *testing.T) {
	all, err := mutants("weak", "weak.go", "1", []byte(weak))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, m.String())
		if bytes.Equal(m.apply([]byte(weak)), []byte(weak)) {
			t.Errorf("%s changes nothing", m)
		}
	}
	want := []string{
		"weak/weak.go Max: if a > b is negated",
		"weak/weak.go Max: > becomes >=",
		"weak/weak.go Never: n++ becomes --",
		"weak/weak.go Never: return false becomes true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A test that runs a switch is tried with every case of it, whichever it enters.
func TestACaseIsReachedWhereItsSwitchIs(t *testing.T) {
	const text = `package weak

func Sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n == 0,
		n > 9:
		return 0
	}
	return 1
}
`
	all, err := mutants("weak", "weak.go", "1", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, m := range all {
		got[m.what] = m.reached
	}
	want := map[string]int{
		"< becomes <=": 4, "== becomes !=": 4, "> becomes >=": 4, "return 0 becomes 1": 9, "return 1 becomes 2": 11,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got the lines %v, want %v", got, want)
	}
}

// Each twentieth mutant is told of while the rest are tried.
func TestProgress(t *testing.T) {
	var progress bytes.Buffer
	tr := &trial{out: io.Discard, progress: &progress, want: 50, counts: make(map[string]map[verdict]int)}
	for i := range 45 {
		v := killed
		switch i % 5 {
		case 0:
			v = invalid
		case 1:
			v = survived
		}
		tr.take(&mutant{pkg: "weak"}, v, nil)
	}
	if got, want := progress.String(), "20 of 50, 15 killed\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRun has a package whose tests see one of four mutants: a maximum of equals
// is the same either way, and nothing calls Never.
func TestRun(t *testing.T) {
	files := map[string]string{"go.mod": "module example.com/weak\n\ngo 1.26\n", "weak/weak.go": weak, "weak/weak_test.go": weakTest}
	c := config{n: 10, jobs: 2, seed: "1", root: module(t, files), packages: []string{"weak"}}
	var out bytes.Buffer
	ok, err := c.run(&out)
	if err != nil {
		t.Fatal(err)
	}
	if want := "killed   1 of   4, survived 1, not covered 2"; ok || !strings.Contains(out.String(), want) {
		t.Errorf("got %v,\n%s\nwant false, and %q in it", ok, &out, want)
	}
	if !strings.Contains(out.String(), "3 survivors are not on the list") {
		t.Errorf("got\n%s\nwant three survivors that are not on the list", &out)
	}

	c.list = filepath.Join(c.root, "survivors.txt")
	list := "# of equals\n\nweak/weak.go Max: > becomes >= | the same for equals\n"
	if err := os.WriteFile(c.list, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if ok, err := c.run(&out); ok || err != nil || !strings.Contains(out.String(), "| the same for equals") ||
		!strings.Contains(out.String(), "2 survivors are not on the list") {
		t.Errorf("got %v, %v,\n%s\nwant one survivor with its reason", ok, err, &out)
	}
}

// A room has the tests of the package at the top of its family too.
func TestRunOfARoom(t *testing.T) {
	files := map[string]string{
		"go.mod": "module example.com/weak\n\ngo 1.26\n", "weak/internal/room/room.go": strings.Replace(weak, "package weak", "package room", 1),
		"weak/weak.go":      "package weak\n\nimport \"example.com/weak/weak/internal/room\"\n\nfunc Max(a, b int) int { return room.Max(a, b) }\n",
		"weak/weak_test.go": weakTest,
	}
	c := config{n: 10, jobs: 2, seed: "1", root: module(t, files), packages: []string{"weak/internal/room"}}
	var out bytes.Buffer
	if _, err := c.run(&out); err != nil {
		t.Fatal(err)
	}
	if want := "killed   1 of   4, survived 1, not covered 2"; !strings.Contains(out.String(), want) {
		t.Errorf("got\n%s\nwant %q in it", &out, want)
	}
}

func TestRunErrors(t *testing.T) {
	files := map[string]string{
		"go.mod": "module example.com/weak\n\ngo 1.26\n", "weak/weak.go": weak,
		"weak/weak_test.go": strings.Replace(weakTest, "!= 3", "!= 4", 1),
		"no-reason.txt":     "weak/weak.go Max: > becomes >=\n",
	}
	root := module(t, files)
	for name, test := range map[string]struct {
		c    config
		want string
	}{
		"tests that fail": {config{packages: []string{"weak"}}, "TestMax fails without any change"},
		"no package":      {config{packages: []string{"none"}}, "none"},
		"no list":         {config{list: filepath.Join(root, "none.txt")}, "none.txt"},
		"no reason":       {config{list: filepath.Join(root, "no-reason.txt")}, "no reason"},
	} {
		t.Run(name, func(t *testing.T) {
			test.c.root, test.c.n, test.c.jobs = root, 1, 1
			var out bytes.Buffer
			if _, err := test.c.run(&out); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in an error", err, test.want)
			}
		})
	}
}
