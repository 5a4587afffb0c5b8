package evidence_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A forger makes ledgers by hand, record by record: what a writer would, and what
// somebody would who holds its keys. Nothing in it is random.
type forger struct {
	t       testing.TB
	origin  string
	root    ed25519.PrivateKey
	session ed25519.PrivateKey
	signing record.Signing
	salt    int // tells apart forgers whose records must differ

	now      time.Time
	elapsed  time.Duration // since the writer began
	ids      int
	sessions int
	writer   string
	seq      uint64
	prev     record.Hash

	envs  [][]byte
	tree  tiles.Tree
	spoil func(r *record.Record) // has the last word on each record
	out   func(env []byte)       // gets the envelopes, if they are not to be kept
	sign  func(payload []byte, keys ...ed25519.PrivateKey) []byte
}

var dayOne = time.Date(2026, 3, 20, 14, 5, 0, 0, time.UTC)

func newForger(t testing.TB) *forger {
	return &forger{t: t, origin: "prod", root: testKey(1), signing: record.SignRecords, now: dayOne, sign: sealAll}
}

// sealAll returns the envelope of a payload with a signature by each key.
func sealAll(payload []byte, keys ...ed25519.PrivateKey) []byte {
	b := append([]byte(`{"payload":"`), base64.StdEncoding.EncodeToString(payload)...)
	b = append(b, `","payloadType":"application/vnd.in-toto+json","signatures":[`...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, record.AppendPAE(nil, payload)))
		b = append(b, `{"keyid":"`+record.KeyID(public(key))+`","sig":"`+sig+`"}`...)
	}
	return append(b, `]}`...)
}

func seal(key ed25519.PrivateKey, payload []byte) []byte { return sealAll(payload, key) }

func (f *forger) id() string {
	f.ids++
	return fmt.Sprintf("019d0c2e-5b1f-7c39-9cc2-%04x%08x", f.salt, f.ids)
}

func hashOf(s string) record.Hash { return sha256.Sum256([]byte(s)) }

func pkix(pub ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(err)
	}
	return der
}

// add appends a record: s and what all records have are filled in.
func (f *forger) add(r *record.Record, s record.Subject, keys ...ed25519.PrivateKey) record.Hash {
	f.t.Helper()
	f.seq++
	f.now = f.now.Add(250 * time.Millisecond)
	f.elapsed += 250 * time.Millisecond
	r.ID, r.Ledger, r.Writer, r.Version = f.id(), f.origin, f.writer, 1
	r.Seq, r.Prev, r.Time, r.Mono = f.seq, f.prev, f.now, f.elapsed
	if f.spoil != nil {
		f.spoil(r)
	}
	f.seq = r.Seq
	payload := record.AppendPayload(nil, s, r)
	f.prev = sha256.Sum256(payload)
	f.put(f.sign(payload, keys...))
	return f.prev
}

func (f *forger) put(env []byte) {
	f.tree.Append(tiles.LeafHash(env))
	if f.out != nil {
		f.out(env)
		return
	}
	f.envs = append(f.envs, env)
}

// record appends a record of no run, or of a run, as the session signs it.
func (f *forger) record(r *record.Record, s record.Subject) record.Hash {
	f.t.Helper()
	if f.signing == record.SignCheckpoints && r.Kind != record.KindEnd { // a run is a group
		return f.add(r, s)
	}
	return f.add(r, s, f.session)
}

func (f *forger) ofLedger() record.Subject {
	return record.Subject{Name: record.SubjectLedger, Digest: hashOf(f.origin)}
}

// open begins a writer.
func (f *forger) open() {
	f.t.Helper()
	s := f.newSession()
	if f.seq > 0 {
		s.Previous = &record.Head{Hash: f.prev, Seq: f.seq, Writer: f.writer}
		s.Tree = &record.TreeHead{Records: uint64(f.tree.Size()), Root: record.Hash(f.tree.Root())}
	}
	f.writer, f.seq, f.prev, f.elapsed = f.id(), 0, record.Hash{}, 0
	f.add(&record.Record{Kind: record.KindSession, Session: s}, f.ofLedger(), f.root)
}

// renew has another session key take over.
func (f *forger) renew() {
	f.t.Helper()
	f.add(&record.Record{Kind: record.KindSession, Session: f.newSession()}, f.ofLedger(), f.root)
}

func (f *forger) newSession() *record.Session {
	f.sessions++
	f.session = testKey(byte(10 + f.sessions))
	return &record.Session{
		Key: record.KeyID(public(f.session)), Public: pkix(public(f.session)), Signing: f.signing,
		NotBefore: f.now.Add(-time.Minute), NotAfter: f.now.Add(24 * time.Hour),
	}
}

// rotate hands over to another root key.
func (f *forger) rotate(next ed25519.PrivateKey) {
	f.t.Helper()
	f.add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{
		Key: record.KeyID(public(next)), Public: pkix(public(next)),
	}}, f.ofLedger(), f.root, next)
	f.root = next
}

// deliver says that a sink refused records, and that a breaker opened.
func (f *forger) deliver(ranges ...record.Range) {
	f.t.Helper()
	refused := &record.Refusal{Exporter: "collector", Ranges: ranges, Error: []string{"http.400"}}
	for _, r := range ranges {
		refused.Count += r.To - r.From + 1
	}
	f.record(&record.Record{Kind: record.KindDeliveryFailed, Refused: refused}, f.ofLedger())
	f.record(&record.Record{Kind: record.KindBreaker, Breaker: &record.Breaker{
		Exporter: "collector", State: "open", Changes: 1, Error: []string{"http.503"},
	}}, f.ofLedger())
}

func (f *forger) gap(from, to uint64) {
	f.t.Helper()
	f.record(&record.Record{Kind: record.KindGap, Gap: &record.Gap{From: from, To: to, Count: to - from + 1, Reason: "the queue was full"}}, f.ofLedger())
}

func (f *forger) erase() {
	f.t.Helper()
	f.record(&record.Record{Kind: record.KindErased, Erased: &record.Erased{
		Authority: "dpo", Commitment: someCommitment, Reason: "asked for",
	}}, f.ofLedger())
}

// A forgedRun is a run that goes on.
type forgedRun struct {
	f      *forger
	id     string
	start  record.Hash
	head   record.Hash
	seq    uint64
	calls  uint64
	lastID uint32
}

func (f *forger) begin(id string) *forgedRun {
	f.t.Helper()
	run := &forgedRun{f: f, id: id, seq: 1}
	run.start = f.record(&record.Record{
		Kind: record.KindStart, Run: id, RunSeq: 1, Who: &record.Who{Subject: "alice"},
	}, record.Subject{Name: record.SubjectRunID, Digest: hashOf(id)})
	run.head = run.start
	return run
}

func (run *forgedRun) add(r *record.Record) {
	run.f.t.Helper()
	run.seq++
	r.Run, r.RunSeq = run.id, run.seq
	run.head = run.f.record(r, record.Subject{Name: record.SubjectRun, Digest: run.start})
}

const someCommitment = "gTCTiuKqpMpYqMH9WSMDPFIFVzTv5pUSR4BknK_qoI4"

func (run *forgedRun) intent(name string) *record.Call {
	run.f.t.Helper()
	return run.call("tool", name, 0)
}

func (run *forgedRun) call(kind, name string, parent uint32) *record.Call {
	run.f.t.Helper()
	run.calls++
	run.lastID++
	call := &record.Call{ID: run.lastID, Kind: kind, Name: name, Parent: parent}
	r := &record.Record{Kind: record.KindIntent, Call: call, Input: &record.Content{Commitment: someCommitment, Size: 87}}
	if kind == "tool" {
		r.Effects = record.EffectsDurable
	}
	run.add(r)
	return call
}

func (run *forgedRun) outcome(call *record.Call, o record.Outcome, ds ...record.Decision) {
	run.f.t.Helper()
	o.Latency = 698323
	run.add(&record.Record{Kind: record.KindOutcome, Call: call, Outcome: &o, Decisions: ds})
}

func (run *forgedRun) end() {
	run.f.t.Helper()
	run.add(&record.Record{Kind: record.KindEnd, RunEnd: &record.RunEnd{Calls: run.calls, Head: run.head, Records: run.seq + 1}})
}

var (
	done   = record.Outcome{Result: record.ResultDone, Reached: true}
	denied = record.Outcome{Result: record.ResultDenied, Gate: "tools", Code: "tool_not_allowed", Reason: "shell is not on the list"}
	deny   = record.Decision{Gate: "tools", Verdict: "deny", Code: "tool_not_allowed", Reason: "shell is not on the list", Elapsed: 6352}
)

// run appends a run of one call for each name: a shell is denied. Four records
// for one call, two for each further one.
func (f *forger) run(id string, names ...string) {
	f.t.Helper()
	run := f.begin(id)
	for _, name := range names {
		call := run.intent(name)
		if name == "shell" {
			run.outcome(call, denied, deny)
		} else {
			run.outcome(call, done)
		}
	}
	run.end()
}

// checkpoint signs the tree as it is.
func (f *forger) checkpoint() []byte {
	f.t.Helper()
	return f.checkpointBy(f.session)
}

func (f *forger) checkpointBy(key ed25519.PrivateKey) []byte {
	f.t.Helper()
	return signCheckpoint(f.t, tiles.Checkpoint{Origin: f.origin, Size: f.tree.Size(), Root: f.tree.Root()}, key)
}

func signCheckpoint(t testing.TB, c tiles.Checkpoint, key ed25519.PrivateKey) []byte {
	t.Helper()
	signed, err := tiles.Sign(c, public(key), func(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil })
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A forgery is a ledger as it stands on disk.
type forgery struct {
	envs       [][]byte
	checkpoint []byte
	segment    []byte // instead of envs
	files      map[string][]byte
}

func (f *forger) ledger() forgery { return forgery{envs: f.envs, checkpoint: f.checkpoint()} }

// bare is a ledger without a checkpoint.
func bare(envs ...[]byte) forgery { return forgery{envs: envs} }

// write writes the ledger to dir, in place of what is there.
func (l forgery) write(t testing.TB, dir string) {
	t.Helper()
	file := l.segment
	if file == nil {
		file = segmentOf(l.envs...)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "segments"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment.Path(dir, 1), file, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, content := range l.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if l.checkpoint != nil {
		if err := os.WriteFile(filepath.Join(dir, "checkpoint"), l.checkpoint, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// writeTiles writes the complete tiles of the ledger.
func (l forgery) writeTiles(t testing.TB, dir string) {
	t.Helper()
	w := tiles.NewWriter(dir, tiles.Options{})
	for _, env := range append(l.envs[:len(l.envs):len(l.envs)], nil) { // one more completes the last
		if err := w.Append(tiles.LeafHash(env), env); err != nil {
			t.Fatal(err)
		}
	}
}
