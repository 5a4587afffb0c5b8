package evidence_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// A ledger has one writer at a time, and can be verified meanwhile.
func TestTwoWriters(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	_, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
	if !errors.Is(err, evidence.ErrLocked) || !strings.Contains(err.Error(), "process") {
		t.Errorf("got error %v, want ErrLocked and who holds it", err)
	}
	ledgertest.WantIntact(t, dir)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, dir, evidence.Config{})
}

func TestContinue(t *testing.T) {
	dir := ledgertest.Dir(t)
	origin := ""
	for range 3 {
		r := open(t, dir, evidence.Config{})
		if origin == "" {
			origin = r.Ledger()
		}
		if r.Ledger() != origin {
			t.Errorf("got origin %q, want %q", r.Ledger(), origin)
		}
		if err := agent(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if report := ledgertest.WantIntact(t, dir); report.Writers != 3 || report.Runs != 3 || report.Records != 33 {
		t.Errorf("got report %+v, want 3 writers", report)
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(t *testing.T) string {
		dir := ledgertest.Dir(t)
		r := open(t, dir, evidence.Config{Ledger: "here"})
		if err := agent(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close(t.Context())
		return dir
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		cfg   evidence.Config
		want  error
		says  string
	}{
		{name: "another key", cfg: evidence.Config{Key: ledgertest.Key(2)}, want: evidence.ErrOtherKey, says: record.KeyID(ledgertest.Public(ledgertest.Key(1)))},
		{name: "ephemeral key", want: evidence.ErrOtherKey, says: "Config.Key is not set"},
		{name: "another origin", cfg: evidence.Config{Key: ledgertest.Key(1), Ledger: "there"}, says: `"here", not "there"`},
		{name: "odd origin", cfg: evidence.Config{Key: ledgertest.Key(1), Ledger: "a b"}, says: "white space"},
		{name: "short key", cfg: evidence.Config{Key: ed25519.PrivateKey(make([]byte, 5))}, says: "not an Ed25519 private key"},
		{name: "removed record", cfg: evidence.Config{Key: ledgertest.Key(1)}, want: evidence.ErrDamaged, says: "removed",
			spoil: func(t *testing.T, dir string) {
				envs := ledgertest.Envelopes(t, dir)
				ledgertest.Rewrite(t, dir, append(envs[:3:3], envs[4:]...)...)
			}},
		{name: "flipped bit", cfg: evidence.Config{Key: ledgertest.Key(1)}, want: evidence.ErrDamaged, says: "edited", spoil: func(t *testing.T, dir string) {
			ledgertest.Flip(t, segment.Path(dir, 1), 1000, 0x10)
		}},
		{name: "version 2", cfg: evidence.Config{Key: ledgertest.Key(1)}, says: "another version", spoil: func(t *testing.T, dir string) {
			if err := os.WriteFile(segment.Path(dir, 1), []byte("safeconduct segment v2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "not empty", cfg: evidence.Config{Key: ledgertest.Key(1)}, says: "not a ledger and not empty", spoil: func(t *testing.T, dir string) {
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "segments")), os.WriteFile(filepath.Join(dir, "diary"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a file", cfg: evidence.Config{Key: ledgertest.Key(1)}, says: "not a directory", spoil: func(t *testing.T, dir string) {
			if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t)
			if tt.spoil != nil {
				tt.spoil(t, dir)
			}
			before, _ := os.ReadFile(segment.Path(dir, 1))
			r, err := evidence.Open(dir, tt.cfg)
			if err == nil {
				_ = r.Close(t.Context())
				t.Fatal("Open: got no error")
			}
			if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Open: got error %q, want %v with %q", err, tt.want, tt.says)
			}
			if after, _ := os.ReadFile(segment.Path(dir, 1)); string(after) != string(before) {
				t.Error("Open changed the ledger")
			}
		})
	}
}

// An incomplete frame at the end is cut off, wherever it was cut, and
// the next writer says so.
func TestTornTail(t *testing.T) {
	t.Parallel()
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	if _, err := call(t, r, shell, say("ok")); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	path := segment.Path(dir, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := ledgertest.Entries(t, dir)
	ends := make(map[int]bool)
	for _, e := range all {
		ends[int(e.Offset)] = true
	}
	last := int(all[len(all)-1].Offset)
	cuts := []int{0, 1, 22, 24, 30, 31, 32}
	for n := int(all[1].Offset); n < len(whole); n += 97 {
		cuts = append(cuts, n)
	}
	for n := last - 2; n < last+12; n++ {
		cuts = append(cuts, n)
	}
	checkpoint := filepath.Join(dir, "checkpoint")
	signed, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range cuts {
		for _, zeros := range []int{0, 4096} {
			if err := os.Remove(checkpoint); err != nil { // what a checkpoint covers is never torn
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(whole[:n:n], make([]byte, zeros)...), 0o600); err != nil {
				t.Fatal(err)
			}
			if n >= int(all[1].Offset) && !ends[n] && zeros == 0 {
				if report := ledgertest.Verify(t, dir); report.Intact() || report.First.Damage != record.DamageTruncated {
					t.Fatalf("cut at %d: Verify: got %v, want truncated", n, report.First)
				}
			}
			again, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
			if zeros > 0 && 0 < n && n < 23 {
				if err == nil {
					t.Fatalf("cut at %d, %d zeros: Open took a first line that is not one", n, zeros)
				}
				if err := os.WriteFile(checkpoint, signed, 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d, %d zeros: %v", n, zeros, err)
			}
			if err := again.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			ledgertest.WantIntact(t, dir)
			now := ledgertest.Entries(t, dir)
			recovered := now[len(now)-1].Record.Session.Recovered
			torn := n < 23 || n > 23 && !ends[n] || zeros > 0
			if (recovered != nil) != torn {
				t.Errorf("cut at %d, %d zeros: got recovered %+v, torn %v", n, zeros, recovered, torn)
			}
		}
	}
	// With the checkpoint that covers them, missing records are no accident.
	for _, n := range []int{0, int(all[1].Offset), last + 7} {
		for path, content := range map[string][]byte{path: whole[:n], checkpoint: signed} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("cut at %d below the checkpoint: got error %v, want one that wraps ErrDamaged", n, err)
		}
	}
}

func TestOpenPanics(t *testing.T) {
	for name, cfg := range map[string]evidence.Config{
		"negative queue":    {Queue: -1},
		"negative patience": {Patience: -1},
		"twice":             {ReadOnly: []string{"a"}, BestEffort: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "evidence: Open") {
					t.Errorf("got panic %q", v)
				}
			}()
			_, _ = evidence.Open(ledgertest.Dir(t), cfg)
		})
	}
}

// A disk that fails from the beginning leaves nothing open.
func TestOpenOnABrokenDisk(t *testing.T) {
	for name, faults := range map[string]segmenttest.Faults{
		"create": {Create: func() error { return syscall.ENOSPC }},
		"write":  {Write: func([]byte) (int, error) { return 0, syscall.ENOSPC }},
		"sync":   {Sync: func() error { return syscall.EIO }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var s store
			cfg := evidence.Config{Key: ledgertest.Key(1), Exporters: to(s.take)}
			if _, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: faults.Do}); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
				t.Fatalf("got error %v", err)
			}
			open(t, dir, evidence.Config{}) // the lock was given back
		})
	}
	// So does one that fails with the first record.
	dir := ledgertest.Dir(t)
	cfg := evidence.Config{Key: ledgertest.Key(1), Exporters: to(new(store).take)}
	faults := segmenttest.Faults{Write: func(b []byte) (int, error) {
		if len(b) > 100 {
			return 50, syscall.ENOSPC
		}
		return len(b), nil
	}}
	if _, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: faults.Do}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got error %v, want ENOSPC", err)
	}
	open(t, dir, evidence.Config{})
}
