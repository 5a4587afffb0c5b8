package safeconduct_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the example into README.md")

var (
	exampleBlock = regexp.MustCompile(`(?s)\t// README begins\n(.*?)\t// README ends\n`)
	readmeBlock  = regexp.MustCompile("(?s)(<!-- from examples/quickstart -->\n```go\n)(.*?)(```\n)")
	controlTest  = regexp.MustCompile("\\| `(Test\\w+)` in ([\\w/]+) \\|")
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeShowsTheExample(t *testing.T) {
	m := exampleBlock.FindStringSubmatch(read(t, "examples/quickstart/main.go"))
	if m == nil {
		t.Fatal("examples/quickstart/main.go has no block for the README")
	}
	want := strings.TrimPrefix(strings.ReplaceAll("\n"+m[1], "\n\t", "\n"), "\n")
	readme := read(t, "README.md")
	if *update {
		readme = readmeBlock.ReplaceAllStringFunc(readme, func(s string) string {
			b := readmeBlock.FindStringSubmatch(s)
			return b[1] + want + b[3]
		})
		if err := os.WriteFile("README.md", []byte(readme), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := readmeBlock.FindStringSubmatch(readme)
	if got == nil || got[2] != want {
		t.Errorf("README.md does not show the example's text:\n%s", want)
	}
	if n := strings.Count(readme, "```go\n"); n != 1 {
		t.Errorf("README.md has %d Go blocks, want 1", n)
	}
	if n := strings.Count(readme, "\n"); n >= 150 {
		t.Errorf("README.md has %d lines, want under 150", n)
	}
}

func TestReadmeNamesTestsThatExist(t *testing.T) {
	controls := controlTest.FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(controls) < 8 {
		t.Fatalf("found %d controls with a test in README.md", len(controls))
	}
	for _, c := range controls {
		files, err := filepath.Glob(filepath.Join(c[2], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			found = found || strings.Contains(read(t, f), "\nfunc "+c[1]+"(t *testing.T)")
		}
		if !found {
			t.Errorf("there is no %s in %s", c[1], c[2])
		}
	}
}
