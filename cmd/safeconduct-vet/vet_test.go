package main_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// The programs are in a module of their own that requires safeconduct, so that go vet
// sees them as a user's.
func TestGoVet(t *testing.T) {
	if testing.Short() {
		t.Skip("builds langchaingo")
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "safeconduct-vet")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	programs := filepath.Join(dir, "programs")
	if err := os.CopyFS(programs, os.DirFS(filepath.Join("testdata", "programs"))); err != nil {
		t.Fatal(err)
	}
	writeModule(t, programs)
	want := marked(t, programs)
	if len(want) < 15 {
		t.Fatalf("%d lines are marked only", len(want))
	}

	t.Run("vet", func(t *testing.T) {
		out := run(t, programs, true, "go", "vet", "-vettool="+tool, "./...")
		compare(t, out, found(t, out, "goes around the guards"), want)
	})
	t.Run("alone", func(t *testing.T) {
		out := run(t, programs, true, tool, "./...")
		compare(t, out, found(t, out, "goes around the guards"), want)
	})
	t.Run("list", func(t *testing.T) {
		out := run(t, programs, true, "go", "vet", "-vettool="+tool, "-list", "./service")
		if got := found(t, out, "unguarded on purpose: a health check"); len(got) != 1 {
			t.Errorf("got %q, want one line\n%s", got, out)
		}
	})
	t.Run("guarded", func(t *testing.T) {
		if out := run(t, programs, false, "go", "vet", "-vettool="+tool, "./conversation"); out != "" {
			t.Errorf("got %s", out)
		}
	})
}

// writeModule writes a go.mod that requires what safeconduct does, at the same
// versions, and safeconduct as it stands here.
func writeModule(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := f.Module.Mod.Path
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	for _, err := range []error{
		err, f.AddModuleStmt("example.com/programs"), f.AddRequire(path, "v0.0.0"), f.AddReplace(path, "", root, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if data, err = f.Format(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"go.mod": data, "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// marked returns the lines that end in AROUND.
func marked(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		src, err := os.ReadFile(path)
		for i, line := range bytes.Split(src, []byte("\n")) {
			if bytes.HasSuffix(line, []byte("// AROUND")) {
				rel, _ := filepath.Rel(dir, path)
				lines = append(lines, filepath.ToSlash(rel)+":"+strconv.Itoa(i+1))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// run returns what a command prints, and demands that it fails where it finds something.
func run(t *testing.T, dir string, finds bool, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) || (err != nil) != finds {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// found returns the places of the findings in the output that say so.
func found(t *testing.T, out, says string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(out) {
		m := regexp.MustCompile(`^(.*\.go):(\d+):\d+: (.*)`).FindStringSubmatch(line)
		if m == nil && !strings.HasPrefix(line, "#") {
			t.Errorf("got %q", line)
		}
		if m == nil || !strings.Contains(m[3], says) {
			continue
		}
		path := filepath.ToSlash(m[1])
		if _, after, ok := strings.Cut(path, "/programs/"); ok {
			path = after
		}
		lines = append(lines, strings.TrimPrefix(path, "./")+":"+m[2])
	}
	slices.Sort(lines)
	return lines
}

func compare(t *testing.T, out string, got, want []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s is not found", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s is found", line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
