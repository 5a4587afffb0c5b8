package main

import (
	"bytes"
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
