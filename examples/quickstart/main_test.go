package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write testdata/output.txt")

// place is what differs between two runs: where the flipped bit stands.
var place = regexp.MustCompile(`(?s)record \d+ \(segment.*?\n\n`)

func TestOutput(t *testing.T) {
	for _, name := range []string{"OPENAI_API_KEY", "OLLAMA_HOST"} {
		t.Setenv(name, "")
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatalf("%v, after\n%s", err, out.Bytes())
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("a line has %d columns, want at most %d: %s", n, columns, line)
		}
	}
	got := place.ReplaceAllString(out.String(), "record N: what is wrong\n\n")
	const golden = "testdata/output.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEvidenceIsKeptAndContinued(t *testing.T) {
	for _, name := range []string{"OPENAI_API_KEY", "OLLAMA_HOST"} {
		t.Setenv(name, "")
	}
	dir := filepath.Join(t.TempDir(), "kept")
	for range 2 { // the second time it continues the ledger
		var out bytes.Buffer
		if err := run(t.Context(), &out, dir); err != nil {
			t.Fatalf("%v, after\n%s", err, out.Bytes())
		}
		if !bytes.Contains(out.Bytes(), []byte("verify "+filepath.Join(dir, "ledger")+" \\\n    --key "+filepath.Join(dir, "key.pub"))) {
			t.Errorf("got\n%s\nwithout how to verify it", out.Bytes())
		}
	}
	for _, name := range []string{"ledger", "key", "key.pub"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
