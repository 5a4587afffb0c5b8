package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// varying is what differs from one run of the tests to the next, and what stands
// for it: as many characters, where columns depend on it.
var varying = []struct {
	pattern *regexp.Regexp
	to      string
	right   bool // keep the width
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<sha256>", false},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<uuid>", false},
	{regexp.MustCompile(`\b[A-Z2-7]{26}\b`), "<run>", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`), "<date>", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`), "<time>", false},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z`), "<time>", false},
	{regexp.MustCompile(`"commitment": "[-\w]{43}"`), `"commitment": "<commitment>"`, false},
	{regexp.MustCompile(`"mono": "\d+"`), `"mono": "0"`, false},
	{regexp.MustCompile(`\bkey [0-9a-f]{16}\b`), "key <id>", false},
	{regexp.MustCompile(`\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}`), "+<vkey>", false},
	{regexp.MustCompile(`\b\d{4,} B\b`), "<n> B", false},
	{regexp.MustCompile(`after \d+\.\d ms`), "after <n> ms", false},
	{regexp.MustCompile(` +\d+\.\d ms`), "<n> ms", true},
	{regexp.MustCompile(`[\d.]+ kB`), "<n> kB", false},
	{regexp.MustCompile(`offset \d{3,}`), "offset <n>", false},
	{regexp.MustCompile(`\d{3,} bytes`), "<n> bytes", false},
	{regexp.MustCompile(`"(bytes|offset)": \d{3,}`), `"$1": 0`, false},
}

func normalise(s string) string {
	for _, v := range varying {
		s = v.pattern.ReplaceAllStringFunc(s, func(m string) string {
			to := v.pattern.ReplaceAllString(m, v.to)
			if v.right {
				to = strings.Repeat(" ", max(0, len(m)-len(to))) + to
			}
			return to
		})
	}
	return s
}

// golden compares what a command line printed with testdata/name.golden.
func golden(t *testing.T, name, got string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		got = strings.ReplaceAll(got, dir, filepath.Base(dir))
	}
	got = normalise(got)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run go test -update", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
