package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"golang.org/x/mod/sumdb/note"
)

// Checkpoints come a second after a record, soon after a run's end, and at
// Close. Each is a note that others open, goes to Publish, and is one that the
// ledger keeps to.
func TestCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var published [][]byte
		r, err := evidence.Open(dir, evidence.Config{
			Key: ledgertest.Key(1), Ledger: "checkpoints",
			Publish: func(c []byte) { published = append(published, c) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Checkpoint(); got != nil {
			t.Errorf("got checkpoint %q before the first", got)
		}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(2 * time.Second)
		if len(published) != 1 {
			t.Fatalf("got %d checkpoints of the session's record, want 1", len(published))
		}
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
		pass(200 * time.Millisecond)
		if len(published) != 2 {
			t.Fatalf("got %d checkpoints soon after the run's end, want 2", len(published))
		}
		if !bytes.Equal(r.Checkpoint(), published[1]) {
			t.Errorf("got checkpoint %q, published %q", r.Checkpoint(), published[1])
		}
		pass(time.Hour)
		if len(published) != 2 {
			t.Errorf("got %d checkpoints while nothing came, want no more", len(published)-2)
		}
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := published[len(published)-1]
		if own, err := os.ReadFile(filepath.Join(dir, "checkpoint")); err != nil || !bytes.Equal(own, last) {
			t.Errorf("got checkpoint %q, %v, want %q", own, err, last)
		}
		if info := mustStat(t, filepath.Join(dir, "checkpoint")); !hasMode(info, 0o600) {
			t.Errorf("the checkpoint has mode %v", info.Mode())
		}
		report := verifyWith(t, dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}, Checkpoints: published})
		if !report.Intact() || report.Checkpoint.Records != report.Records {
			t.Errorf("got %+v, %v", report, report.First)
		}
		key, err := note.NewEd25519VerifierKey("checkpoints", sessionKey(t, ledgertest.Envelopes(t, dir)[0]))
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range published {
			if _, err := note.Open(c, note.VerifierList(verifier)); err != nil {
				t.Errorf("checkpoint %d: %v", i, err)
			}
		}
	})
}

func mustStat(t testing.TB, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Whoever takes checkpoints, or hears of them, cannot hurt the ledger.
func TestPublishAndLoggerPanic(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{
		Publish: func([]byte) { panic("publish") },
		Logger:  slog.New(panicHandler{slog.DiscardHandler}),
	})
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Checkpoint == nil {
		t.Error("there is no checkpoint")
	}
}

type panicHandler struct{ slog.Handler }

func (panicHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panicHandler) Handle(context.Context, slog.Record) error { panic("logger") }

// A log is what a Logger wrote.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A Config that says nothing of space warns where less than 256 MiB are left.
func TestLowSpaceByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room atomic.Int64
		room.Store(1 << 40)
		cfg := evidence.Config{Key: ledgertest.Key(1)}
		r := openOn(t, ledgertest.Dir(t), cfg, evidence.Disk{Free: func() (int64, error) { return room.Load(), nil }})
		for _, tt := range []struct {
			room int64
			low  bool
		}{{1 << 40, false}, {1 << 28, false}, {1<<28 - 1, true}, {1000, true}, {1 << 28, false}} {
			room.Store(tt.room)
			if _, err := call(t, r, shell, say("ok")); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Second)
			if got := r.Stats(); got.LowSpace != tt.low || got.FreeSpace != tt.room {
				t.Errorf("%d bytes are free: got %+v, want low %v", tt.room, got, tt.low)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A disk that fills up is announced before it is full; then nothing is
// called that needs a record; and when there is room again, records go on.
func TestDiskFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var said log
		var room atomic.Int64
		var f fault
		room.Store(1 << 40)
		cfg := evidence.Config{Key: ledgertest.Key(1), LowSpace: 1 << 20, Logger: slog.New(slog.NewTextHandler(&said, nil))}
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{
			Do:   segmenttest.Faults{Write: func(b []byte) (int, error) { return len(b) / 3, f.get() }}.Do,
			Free: func() (int64, error) { return room.Load(), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		run := func() error {
			_, err := call(t, r, shell, say("ok"))
			time.Sleep(2 * time.Second)
			return err
		}
		if err := run(); err != nil || r.Stats().LowSpace || r.Stats().FreeSpace != 1<<40 {
			t.Errorf("got %v, %+v, want room", err, r.Stats())
		}
		room.Store(1000)
		if err := run(); err != nil || !r.Stats().LowSpace || !strings.Contains(said.String(), "nearly full") {
			t.Errorf("got %v, %+v, log %q, want a warning and no failure", err, r.Stats(), said.String())
		}
		f.set(syscall.ENOSPC)
		wantUnavailable(t, run(), syscall.ENOSPC)
		wantUnavailable(t, run(), syscall.ENOSPC)
		f.set(nil)
		room.Store(1 << 40)
		if err := run(); err != nil || r.Stats().LowSpace || r.Err() != nil {
			t.Errorf("got %v, %+v, %v, want room again", err, r.Stats(), r.Err())
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"records cannot be written", "records are written again"} {
			if n := strings.Count(said.String(), what); n == 0 || n > 3 {
				t.Errorf("the log says %d times %q, want once or so:\n%s", n, what, said.String())
			}
		}
		if report := ledgertest.WantIntact(t, dir); report.Done != 3 || report.Denied != 2 || report.Lost != 0 {
			t.Errorf("got %+v, want 3 done, 2 denied, none lost", report)
		}
	})
}

// A ledger that cannot be continued is succeeded by one that says why.
func TestSuccessor(t *testing.T) {
	old := ledgertest.Dir(t)
	writeLedger(t, old, evidence.Config{Ledger: "old"})
	before := ledgertest.WantIntact(t, old)
	envs := ledgertest.Envelopes(t, old)
	ledgertest.Rewrite(t, old, append(envs[:3:3], envs[4:]...)...)
	if _, err := evidence.Open(old, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) {
		t.Fatalf("got error %v, want one that wraps ErrDamaged", err)
	}
	p, err := evidence.PredecessorOf(old, "record 4 is missing")
	if err != nil {
		t.Fatal(err)
	}
	if p.Ledger != "old" || p.Tree.Records != before.Records-1 || p.Tree.Root == before.Root {
		t.Errorf("got %+v", p)
	}
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Ledger: "new", Predecessor: p})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	if got := ledgertest.Entries(t, dir)[0].Record.Session.Predecessor; got == nil || *got != *p {
		t.Errorf("got predecessor %+v, want %+v", got, p)
	}
	if _, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Predecessor: p}); err == nil {
		t.Error("an old ledger got a predecessor")
	}
	for name, f := range map[string]func() (*record.Predecessor, error){
		"no reason": func() (*record.Predecessor, error) { return evidence.PredecessorOf(old, "") },
		"no ledger": func() (*record.Predecessor, error) { return evidence.PredecessorOf(t.TempDir(), "why") },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// A checkpoint is one short line a minute, and stands as it is signed where somebody
// wants to see all.
func TestCheckpointsInTheLog(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		var said strings.Builder
		dir := ledgertest.Dir(t)
		r := open(t, dir, evidence.Config{Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: level}))})
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := ledgertest.Verify(t, dir)
		if !strings.Contains(said.String(), "records=1 root="+report.Root.String()+"\n") {
			t.Errorf("%v: got %s, want the size and the root %s", level, said.String(), report.Root)
		}
		if all := strings.Contains(said.String(), "signed="); all != (level == slog.LevelDebug) {
			t.Errorf("%v: got %s", level, said.String())
		}
	}
}
