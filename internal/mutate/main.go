// Command mutate asks how much the tests notice: it makes small changes to the
// code, one at a time, and tells which of them no test of the package fails on.
//
//	go run . -n 400 -seed 1 [-packages middleware,gates] [-survivors FILE]
//
// The mutants are drawn by the seed from all places where an operator, a
// condition, a constant that is returned or a whole statement can be changed.
// Each is compiled into the tests of its own package, of which those run that
// reach the line. A mutant is drawn by its place in its func, so that edits
// elsewhere leave the drawing as it is. Survivors are held against a list that
// says why each may live; the exit status is 1 where less than 90% are killed
// or a survivor is not on the list.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const least = 90 // percent that must be killed

func main() {
	var c config
	flag.IntVar(&c.n, "n", 400, "how many mutants are drawn")
	flag.StringVar(&c.seed, "seed", "1", "what they are drawn by")
	flag.IntVar(&c.jobs, "jobs", 2, "how many are tried at a time")
	flag.StringVar(&c.root, "root", "../..", "the module whose packages are mutated")
	flag.StringVar(&c.list, "survivors", "", "a file of survivors that may live, each with a reason")
	packages := flag.String("packages", strings.Join(mutated(), ","), "whose code is changed")
	flag.Parse()
	if flag.NArg() > 0 || c.n < 1 || c.jobs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	c.packages = strings.Split(*packages, ",")
	c.progress = os.Stderr
	ok, err := c.run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// mutated returns the packages whose code is changed by default.
func mutated() []string {
	return []string{
		"middleware", "gates",
		"schema", "schema/repair", "schema/internal/phrase", "schema/internal/graph",
		"schema/internal/format", "schema/internal/cost", "schema/internal/plan",
		"evidence", "evidence/record", "evidence/trust", "evidence/replica",
		"evidence/internal/segment", "evidence/internal/chain", "evidence/internal/ship",
		"adapters/langchaingo", "adapters/langchaingo/langchaingotest", "coverage", "httpreplay",
		"internal/strictjson", "internal/shown",
	}
}

type config struct {
	n, jobs    int
	seed       string
	root, list string
	packages   []string
	progress   io.Writer // may be nil
}

func (c *config) run(out io.Writer) (ok bool, err error) {
	root, err := filepath.Abs(c.root)
	if err != nil {
		return false, err
	}
	reasons, err := readSurvivors(c.list)
	if err != nil {
		return false, err
	}
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	suites := make(map[string]*suite)
	var drawn []*mutant
	for _, pkg := range c.packages {
		began := time.Now()
		for _, of := range []string{pkg, family(root, pkg)} {
			if suites[of] != nil {
				continue
			}
			if suites[of], err = newSuite(root, of, temp); err != nil {
				return false, err
			}
		}
		s := suites[pkg]
		all, err := s.mutants(c.seed)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(out, "%s: %d tests in %.0f s, %d mutants\n", pkg, len(s.tests), time.Since(began).Seconds(), len(all))
		drawn = append(drawn, all...)
	}
	slices.SortFunc(drawn, func(a, b *mutant) int { return bytes.Compare(a.draw[:], b.draw[:]) })
	t := &trial{
		out: out, progress: c.progress, root: root, suites: suites, rest: drawn, want: c.n, reasons: reasons,
		counts: make(map[string]map[verdict]int),
	}
	var jobs sync.WaitGroup
	for i := range c.jobs {
		dir := filepath.Join(temp, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return false, err
		}
		jobs.Go(func() { t.work(dir) })
	}
	jobs.Wait()
	if t.err != nil {
		return false, t.err
	}
	return t.report(c.packages), nil
}

func (s *suite) mutants(seed string) (all []*mutant, err error) {
	for _, file := range s.files {
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		some, err := mutants(s.pkg, file, seed, src)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// readSurvivors reads the lines "MUTANT | REASON" of a list. Lines that begin
// with # and empty ones say nothing.
func readSurvivors(path string) (map[string]string, error) {
	reasons := make(map[string]string)
	if path == "" {
		return reasons, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndex(line, " | ") // a mutant may have an or in it
		if at < 0 || strings.TrimSpace(line[at+3:]) == "" {
			return nil, fmt.Errorf("%s:%d: no reason: want MUTANT | REASON", path, i+1)
		}
		reasons[strings.TrimSpace(line[:at])] = strings.TrimSpace(line[at+3:])
	}
	return reasons, nil
}

// A trial is the drawn mutants on their way. Its methods may be called at the
// same time.
type trial struct {
	out      io.Writer
	progress io.Writer // may be nil
	root     string
	suites   map[string]*suite
	reasons  map[string]string

	mu       sync.Mutex
	rest     []*mutant
	want     int // of those that compile
	begun    int
	tried    int // of those that compile, and how many of them were killed
	dead     int
	counts   map[string]map[verdict]int
	unlisted int
	err      error
}

// next returns the mutant that is drawn next, or nil.
func (t *trial) next() *mutant {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil || t.begun == t.want || len(t.rest) == 0 {
		return nil
	}
	m := t.rest[0]
	t.rest = t.rest[1:]
	t.begun++
	return m
}

func (t *trial) work(temp string) {
	for m := t.next(); m != nil; m = t.next() {
		v, err := t.suites[m.pkg].try(m, temp)
		if top := family(t.root, m.pkg); err == nil && top != m.pkg && (v == survived || v == uncovered) {
			var other verdict
			if other, err = t.suites[top].try(m, temp); other != uncovered {
				v = other
			}
		}
		t.take(m, v, err)
	}
}

func (t *trial) take(m *mutant, v verdict, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = errors.Join(t.err, err)
		return
	}
	if t.counts[m.pkg] == nil {
		t.counts[m.pkg] = make(map[verdict]int)
	}
	t.counts[m.pkg][v]++
	switch v {
	case invalid:
		t.begun-- // another one is drawn
		return
	case killed:
		t.dead++
	case survived, uncovered:
		reason, listed := t.reasons[m.String()]
		if !listed {
			reason = "NO REASON IS LISTED"
			t.unlisted++
		}
		fmt.Fprintf(t.out, "%s: %s [line %d] | %s\n", v, m, m.line, reason)
	}
	if t.tried++; t.progress != nil && t.tried%20 == 0 {
		fmt.Fprintf(t.progress, "%d of %d, %d killed\n", t.tried, t.want, t.dead)
	}
}

// report prints the counts and says whether they will do.
func (t *trial) report(packages []string) bool {
	dead, all := 0, 0
	for _, pkg := range packages {
		n := t.counts[pkg]
		of := n[killed] + n[survived] + n[uncovered]
		fmt.Fprintf(t.out, "%-22s killed %3d of %3d, survived %d, not covered %d (%d did not compile)\n",
			pkg, n[killed], of, n[survived], n[uncovered], n[invalid])
		dead, all = dead+n[killed], all+of
	}
	if all == 0 {
		fmt.Fprintln(t.out, "no mutants")
		return false
	}
	fmt.Fprintf(t.out, "all: killed %d of %d, %.1f%%; at least %d%% are wanted; %d survivors are not on the list\n",
		dead, all, 100*float64(dead)/float64(all), least, t.unlisted)
	return 100*dead >= least*all && t.unlisted == 0
}
