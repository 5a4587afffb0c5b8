package ship_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

const (
	writer = "019d0c2e-5b1c-7ab2-8f36-6a1c8d0e4b21"
	run    = "AGXW5INJQKQOVWIHOIHGUVTVY4"
)

var (
	errSink = errors.New("sink is away")
	key     = []byte("of the cursor")
)

// envelope returns a record of the writer, as good as signed.
func envelope(seq uint64, signed bool) []byte {
	return encode(record.Subject{Name: record.SubjectRunID, Digest: sha256.Sum256([]byte(run))}, signed, &record.Record{
		Kind: record.KindStart, Run: run, RunSeq: 1, Seq: seq,
	})
}

// about returns a record that says that others were refused.
func about(seq uint64) []byte {
	return encode(record.Subject{Name: record.SubjectLedger, Digest: sha256.Sum256([]byte("prod"))}, true, &record.Record{
		Kind: record.KindDeliveryFailed, Seq: seq,
		Refused: &record.Refusal{Count: 1, Exporter: "default", Ranges: []record.Range{{From: 1, To: 1, Writer: writer}}},
	})
}

func encode(s record.Subject, signed bool, r *record.Record) []byte {
	r.ID, r.Ledger, r.Writer = "019d0c2e-5b1f-7c39-9cc2-2f1c1d9c7a10", "prod", writer
	r.Time, r.Version = time.Now().UTC(), record.Version
	payload := record.AppendPayload(nil, s, r)
	if !signed {
		return record.AppendEnvelope(nil, payload)
	}
	return record.AppendEnvelope(nil, payload, record.Signature{KeyID: []byte("key"), Sig: make([]byte, 64)})
}

// A ledger is one that a test writes and has shipped. It plays the recorder, and a
// sink that takes what it gets.
type ledger struct {
	t     testing.TB
	dir   string
	store *segment.Store
	disk  segment.Disk
	envs  [][]byte // of all records
	x     *ship.Shipper
	slow  time.Duration // how long it takes to record something

	mu      sync.Mutex
	answer  func(envs [][]byte) error // nil takes all
	got     [][]byte                  // that the sink took
	calls   [][][]byte                // of the sink, with what they got
	at      []time.Time               // when they came
	said    []any                     // that was recorded
	fails   error                     // of what is to be recorded
	durable error                     // of what was
	log     bytes.Buffer
}

// newLedger begins a ledger whose segments are as long as size.
func newLedger(t testing.TB, size int64) *ledger {
	t.Helper()
	l := &ledger{t: t, dir: filepath.Join(t.TempDir(), "ledger"), disk: segment.RealDisk()}
	store, err := segment.Lock(l.dir, segment.RealDisk(), size)
	if err == nil {
		err = store.Begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.store = store
	t.Cleanup(func() { _ = store.Close() })
	return l
}

// add appends n records, the first of a ledger with seq 2.
func (l *ledger) add(n int) {
	l.t.Helper()
	var envs [][]byte
	for range n {
		envs = append(envs, envelope(uint64(len(l.envs)+len(envs)+2), true))
	}
	l.append(envs...)
}

// append appends entries, each made durable by itself in a ledger of short segments.
func (l *ledger) append(envs ...[]byte) {
	l.t.Helper()
	for part := range slices.Chunk(envs, 100) {
		var frames []byte
		for _, env := range part {
			frames = segment.AppendFrame(frames, env)
		}
		if err := l.store.Append(frames); err != nil {
			l.t.Fatal(err)
		}
		l.envs = append(l.envs, part...)
		if l.x != nil {
			l.x.Extend(l.store.End(), uint64(len(part)), int64(len(frames)))
		}
	}
}

// hide moves the first segment away, to which nothing more is added, until back is
// called.
func (l *ledger) hide() (back func()) {
	l.t.Helper()
	path := segment.Path(l.dir, 1)
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := l.store.Close(); err != nil {
		l.t.Fatal(err)
	}
	move(path, path+"x")
	return func() { move(path+"x", path) }
}

// ship has the ledger shipped until the test ends.
func (l *ledger) ship(edit ...func(*ship.Config)) {
	l.t.Helper()
	l.open(edit...)
	x := l.x
	go x.Run()
	l.t.Cleanup(func() {
		x.Stop()
		<-x.Done()
	})
}

func (l *ledger) open(edit ...func(*ship.Config)) {
	l.t.Helper()
	cfg := ship.Config{
		Name: "default", Sink: l.take, Concurrency: 1, MaxBackoff: 30 * time.Second,
		Dir: l.dir, Ledger: "prod", Disk: &l.disk, Record: l.record,
		Classes: func(err error) []string {
			if err == nil {
				return nil
			}
			return []string{fmt.Sprintf("%T", err)}
		},
		Log: func(level slog.Level, msg string, args ...any) {
			l.mu.Lock()
			defer l.mu.Unlock()
			slog.New(slog.NewTextHandler(&l.log, nil)).Log(context.Background(), level, msg, args...)
		},
	}
	for _, e := range edit {
		e(&cfg)
	}
	x, err := ship.New(cfg, key, l.store.End(), uint64(len(l.envs)))
	if err != nil {
		l.t.Fatal(err)
	}
	l.x = x
}

// cursor returns the file of the cursor.
func (l *ledger) cursor() string { return filepath.Join(l.dir, "exporters", "default.cursor") }

// sealCursor returns the file that has line as its second line, as FORMAT.md says.
func sealCursor(line, key []byte) []byte {
	file := fmt.Appendf(nil, "safeconduct cursor v2\n%s\n", line)
	mac := hmac.New(sha256.New, key)
	mac.Write(file)
	return fmt.Appendf(file, "%x\n", mac.Sum(nil))
}

// stop ends the shipper as a crash does not: the cursor is kept.
func (l *ledger) stop() {
	l.x.Stop()
	<-l.x.Done()
}

func (l *ledger) take(_ context.Context, envs [][]byte) error {
	var mine [][]byte
	for _, env := range envs {
		mine = append(mine, bytes.Clone(env))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.at = append(l.calls, mine), append(l.at, time.Now())
	if l.answer != nil {
		if err := l.answer(mine); err != nil {
			return err
		}
	}
	l.got = append(l.got, mine...)
	return nil
}

// sink has the sink answer so from now on.
func (l *ledger) sink(answer func(envs [][]byte) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func (l *ledger) record(kind record.Kind, body any, wait bool) (<-chan error, error) {
	time.Sleep(l.slow)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails != nil {
		return nil, l.fails
	}
	if _, refused := body.(record.Refusal); refused != (kind == record.KindDeliveryFailed) || refused != wait {
		l.t.Errorf("%T is recorded as %s, and waited for: %t", body, kind, wait)
	}
	l.said = append(l.said, body)
	done := make(chan error, 1)
	done <- l.durable
	return done, nil
}

// set changes what the recorder does.
func (l *ledger) set(fails, durable error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails, l.durable = fails, durable
}

// refusals returns the counts of the refusals that were recorded.
func (l *ledger) refusals() (all []record.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range l.said {
		if f, ok := body.(record.Refusal); ok {
			all = append(all, f)
		}
	}
	return all
}

func (l *ledger) logged(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.log.String(), text)
}

// sizes returns how many records each call of the sink got.
func (l *ledger) sizes() (all []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, call := range l.calls {
		all = append(all, len(call))
	}
	return all
}

// wantCalls checks how many records the calls of the sink got.
func (l *ledger) wantCalls(want ...int) {
	l.t.Helper()
	if got := l.sizes(); !slices.Equal(got, want) {
		l.t.Errorf("got calls with %v records, want %v", got, want)
	}
}

// wantAll checks that the sink has the ledger, each record once and in order.
func (l *ledger) wantAll() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.EqualFunc(l.got, l.envs, bytes.Equal) {
		l.t.Errorf("the sink has %d records, the ledger %d, or they differ", len(l.got), len(l.envs))
	}
}

// wantStats checks the counts of records.
func (l *ledger) wantStats(shipped, parked, lag uint64) {
	l.t.Helper()
	if s := l.x.Stats(); s.Shipped != shipped || s.Parked != parked || s.Lag != lag || lag == 0 && s.LagBytes != 0 {
		l.t.Errorf("got stats %+v, want %d shipped, %d parked, a lag of %d", s, shipped, parked, lag)
	}
}

// An answer is an error by which a sink says more.
type answer struct {
	taken, refused int
	final          bool
	held           *uint64
	notAllowed     bool
}

func (*answer) Error() string        { return "the sink's answer" }
func (a *answer) Taken() int         { return a.taken }
func (a *answer) Refused() int       { return a.refused }
func (a *answer) Permanent() bool    { return a.final }
func (a *answer) Unauthorized() bool { return a.notAllowed }

func (a *answer) Missing() (uint64, bool) {
	if a.held == nil {
		return 0, false
	}
	return *a.held, true
}
