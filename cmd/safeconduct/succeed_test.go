package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
)

// A ledger whose key is lost, and one that is damaged, is succeeded by one that says so,
// that verifies and that goes on. The old one stays as it is.
func TestSucceed(t *testing.T) {
	whole, public := ledger(t)
	damaged := writeSegment(t, flip(t, whole, 5))
	key := filepath.Join(t.TempDir(), "new.key")
	succeeds(t, "keygen", key)
	for name, old := range map[string]string{"key lost": whole, "damaged": damaged} {
		t.Run(name, func(t *testing.T) {
			_, err := evidence.Open(old, evidence.Config{})
			if want := map[string]error{"key lost": evidence.ErrOtherKey, "damaged": evidence.ErrDamaged}[name]; !errors.Is(err, want) ||
				!strings.Contains(err.Error(), "safeconduct succeed") {
				t.Errorf("opened: got error %v, want %v that names the command", err, want)
			}
			before := contents(t, []string{old})
			next := filepath.Join(t.TempDir(), "next")
			out := succeeds(t, "succeed", old, next, "--key", key, "--reason", name, "--ledger", "agents-2")
			if name == "key lost" {
				golden(t, "succeed", out, key, next, old)
			}
			if after := contents(t, []string{old}); !maps.Equal(after, before) {
				t.Error("the old ledger was changed")
			}
			succeeds(t, "verify", next, "--key", key+".pub", "--ledger", "agents-2")
			if line := succeeds(t, "tail", next); !strings.Contains(line, "succeeds agents-test (") || !strings.Contains(line, name) {
				t.Errorf("tail: got %s, want what it succeeds", line)
			}
			root, err := trust.LoadKey(key)
			if err != nil {
				t.Fatal(err)
			}
			shut(t, open(t, next, evidence.Config{Key: root}))
			for e, err := range evidence.Read(next) {
				if err != nil {
					t.Fatal(err)
				}
				p := e.Record.Session.Predecessor
				if p == nil || p.Reason != name || p.Ledger != "agents-test" || p.Tree.Records == 0 {
					t.Errorf("got predecessor %+v, want the old ledger", p)
				}
				break
			}
		})
	}
	succeeds(t, "verify", whole, "--key", public)

	// Without an origin it gets one of its own.
	next := filepath.Join(t.TempDir(), "next")
	if err := os.Mkdir(next, 0o700); err != nil {
		t.Fatal(err)
	}
	if out := succeeds(t, "succeed", whole, next, "--key", key, "--reason", strings.Repeat("x", 512)); !strings.Contains(out, "new ledger   ledger-") {
		t.Errorf("got %s, want a random origin", out)
	}
}

// A ledger of which nothing can be read is succeeded all the same, with an origin and without.
func TestSucceedUnreadable(t *testing.T) {
	old := writeSegment(t, []byte("these are not the first line of a segment"))
	key := filepath.Join(t.TempDir(), "new.key")
	succeeds(t, "keygen", key)
	for _, origin := range [][]string{nil, {"--ledger", "agents-2"}} {
		next := filepath.Join(t.TempDir(), "next")
		out := succeeds(t, append([]string{"succeed", old, next, "--key", key, "--reason", "overwritten"}, origin...)...)
		if !strings.Contains(out, "old ledger   of unknown origin, 0 records\n") {
			t.Errorf("got %s, want a ledger of unknown origin", out)
		}
		succeeds(t, "verify", next, "--key", key+".pub")
		if line := succeeds(t, "tail", next); !strings.Contains(line, "succeeds a ledger of unknown origin (0 records): overwritten") {
			t.Errorf("tail: got %s, want what it succeeds", line)
		}
	}
}
