package safeconduct_test

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/internal/missing"
)

func TestMakefileDocumentsItsTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: (\S+)$`).FindAllStringSubmatch(makefile, -1) {
		if strings.HasSuffix(m[1], "-check") {
			continue // a part of test
		}
		if !regexp.MustCompile(`(?m)^` + m[1] + `:.*## `).MatchString(makefile) {
			t.Errorf("make help does not show %s", m[1])
		}
	}
}

func TestMakefileChecksEveryModule(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		missing.Skip(t, "make", "%v", err)
	}
	var want []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (path == "bin" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")):
			return fs.SkipDir // go does not look there either
		case name == "go.mod":
			want = append(want, filepath.ToSlash(filepath.Dir(path)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if len(want) < 2 {
		t.Fatalf("found the modules %q only", want)
	}
	for _, target := range []string{"test", "tidy-check", "lint"} {
		out, err := exec.Command("make", "--dry-run", "--no-print-directory", target).CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
		loops := regexp.MustCompile(`(?m)^for m in (.*?); do`).FindAllSubmatch(out, -1)
		if len(loops) == 0 {
			t.Errorf("make %s does nothing in each module:\n%s", target, out)
		}
		for _, loop := range loops {
			if got := strings.Fields(string(loop[1])); !slices.Equal(got, want) {
				t.Errorf("make %s goes through the modules %q, want %q", target, got, want)
			}
		}
	}
}
