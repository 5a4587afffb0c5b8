package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A suite is the tests of one package: how long each takes, and which lines it
// runs, of its own package and of those in the same family: evidence and all below
// it, say. A mutant is tried with those alone that run its line.
type suite struct {
	root, dir, pkg string
	files          []string
	tests          []test
}

type test struct {
	name   string
	took   time.Duration
	covers map[string][]span // by file
}

type span struct{ from, to int } // lines

func (t *test) runs(file string, line int) bool {
	return slices.ContainsFunc(t.covers[file], func(s span) bool { return s.from <= line && line <= s.to })
}

// family returns the package at the top of pkg's path, which is what users import
// where pkg is a room of it, and pkg where there is none.
func family(root, pkg string) string {
	top, _, _ := strings.Cut(pkg, "/")
	if files, _ := filepath.Glob(filepath.Join(root, top, "*.go")); len(files) > 0 {
		return top
	}
	return pkg
}

// newSuite builds the package's tests and runs each by itself.
func newSuite(root, pkg, temp string) (*suite, error) {
	s := &suite{root: root, dir: filepath.Join(root, pkg), pkg: pkg}
	out, err := s.goTool(context.Background(), "list", "-m")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	module := strings.TrimSpace(string(out))
	out, err = s.goTool(context.Background(), "list", "-f", `{{join .GoFiles "\n"}}`, ".")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	for _, f := range strings.Fields(string(out)) {
		s.files = append(s.files, filepath.Join(s.dir, f))
	}
	bin := filepath.Join(temp, strings.ReplaceAll(pkg, "/", "_")+".cover")
	covered := module + "/" + family(root, pkg) + "/..."
	if out, err := s.goTool(context.Background(), "test", "-c", "-vet=off", "-coverpkg", covered, "-o", bin, "."); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	if _, err := os.Stat(bin); errors.Is(err, fs.ErrNotExist) {
		return s, nil // it has no test
	}
	out, err = s.run(context.Background(), bin, "-test.list", ".")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	profile := bin + ".out"
	for _, name := range strings.Fields(string(out)) {
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Example") && !strings.HasPrefix(name, "Fuzz") {
			continue
		}
		began := time.Now()
		out, err := s.run(context.Background(), bin, "-test.short", "-test.run", "^"+name+"$", "-test.coverprofile", profile)
		if err != nil { // one that looks at the clock may fail once on a busy machine
			out, err = s.run(context.Background(), bin, "-test.short", "-test.run", "^"+name+"$", "-test.coverprofile", profile)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s fails without any change: %w\n%s", pkg, name, err, out)
		}
		t := test{name: name, took: time.Since(began)}
		if t.covers, err = readProfile(profile, root, module); err != nil {
			return nil, err
		}
		s.tests = append(s.tests, t)
	}
	slices.SortStableFunc(s.tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
	return s, nil
}

// A verdict is what the tests said of a mutant.
type verdict string

const (
	killed    verdict = "killed"
	survived  verdict = "survived"
	uncovered verdict = "not covered"
	invalid   verdict = "does not compile"
)

// stage is how long the quick tests may take that go first.
const stage = 2 * time.Second

// try tells whether a test of the package fails with the mutant in it.
func (s *suite) try(m *mutant, temp string) (verdict, error) {
	var names [2][]string
	var total, last time.Duration
	for _, t := range s.tests {
		if t.runs(m.file, m.reached) {
			total += t.took
			i := 0
			if total > stage && len(names[0]) > 0 {
				i = 1
			}
			names[i] = append(names[i], t.name)
			last = total
		}
	}
	if len(names[0]) == 0 {
		return uncovered, nil
	}
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	changed, overlay, bin := filepath.Join(temp, "mutant.go"), filepath.Join(temp, "overlay.json"), filepath.Join(temp, "mutant.test")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {m.file: changed}})
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.WriteFile(changed, m.apply(src), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "", err
	}
	if _, err := s.goTool(context.Background(), "test", "-c", "-vet=off", "-overlay", overlay, "-o", bin, "."); err != nil {
		return invalid, nil //nolint:nilerr // most of these do not compile, which is what is reported
	}
	for _, group := range names {
		if len(group) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second+5*last)
		_, err := s.run(ctx, bin, "-test.short", "-test.failfast", "-test.run", "^("+strings.Join(group, "|")+")$")
		cancel()
		if err != nil {
			return killed, nil //nolint:nilerr // a test that fails, a panic, a hang
		}
	}
	return survived, nil
}

func (s *suite) goTool(ctx context.Context, args ...string) ([]byte, error) {
	return s.run(ctx, "go", args...)
}

func (s *suite) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, and what it has built
	cmd.Dir = s.dir
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.Bytes(), err
}

var profileLine = regexp.MustCompile(`^(.+):(\d+)\.\d+,(\d+)\.\d+ \d+ (\d+)$`)

// readProfile reads a coverage profile: the lines that were run, by file.
func readProfile(path, root, module string) (map[string][]span, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	covers := make(map[string][]span)
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		p := profileLine.FindStringSubmatch(sc.Text())
		if p == nil || p[4] == "0" {
			continue
		}
		from, _ := strconv.Atoi(p[2])
		to, _ := strconv.Atoi(p[3])
		file := filepath.Join(root, strings.TrimPrefix(p[1], module))
		covers[file] = append(covers[file], span{from, to})
	}
	return covers, sc.Err()
}
