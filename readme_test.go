package safeconduct_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fenced returns what stands between fences with this word behind them, in the
// section of README.md with this title.
func fenced(t *testing.T, title, word string) []string {
	t.Helper()
	_, section, ok := strings.Cut(read(t, "README.md"), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("README.md has no section %q", title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var texts []string
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(section, -1) {
		if m[1] == word {
			texts = append(texts, m[2])
		}
	}
	if len(texts) == 0 {
		t.Fatalf("README.md shows nothing in its section %q", title)
	}
	return texts
}

func TestReadmeIsShort(t *testing.T) {
	readme := read(t, "README.md")
	if n := strings.Count(readme, "\n"); n >= 150 {
		t.Errorf("README.md has %d lines, want under 150", n)
	}
	if n := strings.Count(readme, "\n| ") - 1; n < 1 || n > 15 {
		t.Errorf("README.md has a table of %d rows, want at most 15", n)
	}
}

func TestReadmeShowsWhatTheDemoPrints(t *testing.T) {
	demo := strings.Split(read(t, "examples/quickstart/testdata/output.txt"), "\n")
	shown := fenced(t, "Two commands", "")
	place := regexp.MustCompile(`record \d+ \(segment \d+, offset \d+\): .*`) // which bit of which record differs
	for _, line := range strings.Split(place.ReplaceAllString(shown[len(shown)-1], "record N: what is wrong"), "\n") {
		i := slices.Index(demo, line)
		if i < 0 {
			t.Fatalf("the demo does not print, or not in this place, %q", line)
		}
		demo = demo[i+1:]
	}
}

func TestReadmeShowsTheExample(t *testing.T) {
	m := regexp.MustCompile(`(?s)\t// README begins\n(.*?)\t// README ends\n`).FindStringSubmatch(read(t, "examples/own-loop/main.go"))
	if m == nil {
		t.Fatal("examples/own-loop/main.go has no block for the README")
	}
	want := strings.TrimPrefix(strings.ReplaceAll("\n"+m[1], "\n\t", "\n"), "\n")
	if got := fenced(t, "Not an agent of langchaingo?", "go")[0]; got != want {
		t.Errorf("README.md shows\n%s\nwant the text of examples/own-loop:\n%s", got, want)
	}
}

// runElsewhere runs the program in a module of its own, which knows this one by a
// replace, and returns what it prints. What it needs besides is the same as here, so
// that nothing is downloaded.
func runElsewhere(t *testing.T, program string) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mod := strings.Replace(read(t, "go.mod"), "module "+module+"\n", "module hello\n", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + filepath.ToSlash(root) + "\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": program, "go.mod": mod, "go.sum": read(t, "go.sum")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\nof\n%s", err, stderr.Bytes(), program)
	}
	return string(out)
}

func TestReadmeShowsAProgramThatRuns(t *testing.T) {
	program := fenced(t, "A whole program", "go")[0]
	if n := strings.Count(program, "\n"); n > 25 {
		t.Errorf("the program has %d lines, want at most 25", n)
	}
	want := fenced(t, "What a denial looks like", "")[0]
	if got := runElsewhere(t, program); got != want {
		t.Errorf("the program prints %q, README.md says %q", got, want)
	}

	// The other block does the same with the error as the last line of the program.
	last, imported := "\tfmt.Println(err)\n", "import (\n"
	if !strings.Contains(program, last) || !strings.Contains(program, imported) {
		t.Fatalf("cannot find the last line of\n%s", program)
	}
	program = strings.Replace(program, last, fenced(t, "What a denial looks like", "go")[0], 1)
	program = strings.Replace(program, imported, imported+"\t\"errors\"\n\t\""+module+"/middleware\"\n", 1)
	got := runElsewhere(t, program)
	if f := strings.Fields(got); len(f) < 3 || !strings.HasSuffix(want, strings.Join(f[2:], " ")+" ("+f[1]+")\n") {
		t.Errorf("the fields are %q, the error is %q", got, want)
	}
}
