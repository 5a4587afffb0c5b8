package safeconduct_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever copies an example has the public packages only.
func TestExamplesImportPublicPackagesOnly(t *testing.T) {
	const imports = `{{$p := .ImportPath}}{{range .Imports}}{{$p}}={{.}} {{end}}{{range .TestImports}}{{$p}}={{.}} {{end}}` +
		`{{range .XTestImports}}{{$p}}={{.}} {{end}}`
	found := goList(t, "-f", imports, "./examples/...")
	for _, edge := range found {
		pkg, imp, _ := strings.Cut(edge, "=")
		if strings.HasPrefix(imp, module) && strings.Contains(imp+"/", "/internal/") {
			t.Errorf("%s imports %s: a copy of it does not compile", pkg, imp)
		}
	}
	if len(found) < 50 {
		t.Errorf("got %d imports: this looked elsewhere", len(found))
	}
}

// A copy of an example is a program of its own: in a module that has nothing but a
// require of this one it builds, and its own tests find that it prints what it should.
func TestExamplesRunWhereTheyAreCopied(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mains, err := filepath.Glob("examples/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	copied := make(map[string]bool)
	for _, name := range mains {
		example := filepath.Dir(name)
		if copied[example] {
			continue
		}
		copied[example] = true
		t.Run(filepath.Base(example), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
				t.Fatal(err)
			}
			mod := "module copied\n\ngo 1.26\n\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + filepath.ToSlash(root) + "\n"
			for name, text := range map[string]string{"go.mod": mod, "go.sum": read(t, "go.sum")} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("go", "test", "-v", ".")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !strings.Contains(string(out), "--- PASS: Example") && !strings.Contains(string(out), "--- PASS: TestOutput") {
				t.Errorf("nothing holds what it prints:\n%s", out)
			}
		})
	}
	programs, err := filepath.Glob("examples/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if example := filepath.Dir(name); !copied[example] {
			t.Errorf("%s has no test of what it prints", example)
			copied[example] = true
		}
	}
	if len(copied) < 14 {
		t.Errorf("got %d examples: this looked elsewhere", len(copied))
	}
}

// The programs of a first hour are short enough to be read before they are copied.
func TestFirstProgramsAreShort(t *testing.T) {
	for _, name := range []string{
		"chat/main.go", "react/main.go", "rag/main.go", "typed-answer/main.go", "policy-test/policy_test.go", "own-loop/main.go", "server/main.go",
	} {
		if n := strings.Count(read(t, "examples/"+name), "\n"); n == 0 || n >= 60 {
			t.Errorf("examples/%s has %d lines, want fewer than 60", name, n)
		}
	}
	if n := strings.Count(read(t, "examples/custom-gate/life_test.go"), "\n"); n == 0 || n >= 40 {
		t.Errorf("a gate, its table, the kit and an agent take %d lines, want fewer than 40", n)
	}
}
