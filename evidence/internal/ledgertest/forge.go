// Package ledgertest makes ledgers for tests: honest ones by hand, forged ones, and
// what somebody does to either.
package ledgertest

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
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A Forger makes ledgers by hand, record by record: what a writer would, and what
// somebody would who holds its keys. Nothing in it is random.
type Forger struct {
	T       testing.TB
	Origin  string
	Root    ed25519.PrivateKey
	Session ed25519.PrivateKey
	Signing record.Signing
	Salt    int // tells apart forgers whose records must differ

	Now      time.Time
	Elapsed  time.Duration // since the writer began
	IDs      int
	Sessions int
	Writer   string
	Seq      uint64
	Prev     record.Hash

	Envs  [][]byte
	Tree  tiles.Tree
	Spoil func(r *record.Record) // has the last word on each record
	Out   func(env []byte)       // gets the envelopes, if they are not to be kept
	Sign  func(payload []byte, keys ...ed25519.PrivateKey) []byte
}

// DayOne is when a Forger begins.
var DayOne = time.Date(2026, 3, 20, 14, 5, 0, 0, time.UTC)

// NewForger returns a Forger of a ledger of which the first test key is the root.
func NewForger(t testing.TB) *Forger {
	return &Forger{T: t, Origin: "prod", Root: Key(1), Signing: record.SignRecords, Now: DayOne, Sign: SealAll}
}

// SealAll returns the envelope of a payload with a signature by each key.
func SealAll(payload []byte, keys ...ed25519.PrivateKey) []byte {
	b := append([]byte(`{"payload":"`), base64.StdEncoding.EncodeToString(payload)...)
	b = append(b, `","payloadType":"application/vnd.in-toto+json","signatures":[`...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, record.AppendPAE(nil, payload)))
		b = append(b, `{"keyid":"`+record.KeyID(Public(key))+`","sig":"`+sig+`"}`...)
	}
	return append(b, `]}`...)
}

// Seal returns the envelope of a payload with a signature by a key.
func Seal(key ed25519.PrivateKey, payload []byte) []byte { return SealAll(payload, key) }

// ID returns a number as IDs are, another one each time.
func (f *Forger) ID() string {
	f.IDs++
	return fmt.Sprintf("019d0c2e-5b1f-7c39-9cc2-%04x%08x", f.Salt, f.IDs)
}

// HashOf returns the hash of a text.
func HashOf(s string) record.Hash { return sha256.Sum256([]byte(s)) }

// PKIX returns a key as records have it.
func PKIX(pub ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(err)
	}
	return der
}

// Add appends a record: s and what all records have are filled in.
func (f *Forger) Add(r *record.Record, s record.Subject, keys ...ed25519.PrivateKey) record.Hash {
	f.T.Helper()
	f.Seq++
	f.Now = f.Now.Add(250 * time.Millisecond)
	f.Elapsed += 250 * time.Millisecond
	r.ID, r.Ledger, r.Writer, r.Version = f.ID(), f.Origin, f.Writer, 1
	r.Seq, r.Prev, r.Time, r.Mono = f.Seq, f.Prev, f.Now, f.Elapsed
	if f.Spoil != nil {
		f.Spoil(r)
	}
	f.Seq = r.Seq
	payload := record.AppendPayload(nil, s, r)
	f.Prev = sha256.Sum256(payload)
	f.Put(f.Sign(payload, keys...))
	return f.Prev
}

// Put appends an envelope.
func (f *Forger) Put(env []byte) {
	f.Tree.Append(tiles.LeafHash(env))
	if f.Out != nil {
		f.Out(env)
		return
	}
	f.Envs = append(f.Envs, env)
}

// record appends a record of no run, or of a run, as the session signs it.
func (f *Forger) record(r *record.Record, s record.Subject) record.Hash {
	f.T.Helper()
	if f.Signing == record.SignCheckpoints && r.Kind != record.KindEnd { // a run is a group
		return f.Add(r, s)
	}
	return f.Add(r, s, f.Session)
}

// OfLedger returns the subject of a record of no run.
func (f *Forger) OfLedger() record.Subject {
	return record.Subject{Name: record.SubjectLedger, Digest: HashOf(f.Origin)}
}

// Open begins a writer.
func (f *Forger) Open() {
	f.T.Helper()
	s := f.NewSession()
	if f.Seq > 0 {
		s.Previous = &record.Head{Hash: f.Prev, Seq: f.Seq, Writer: f.Writer}
		s.Tree = &record.TreeHead{Records: uint64(f.Tree.Size()), Root: record.Hash(f.Tree.Root())}
	}
	f.Writer, f.Seq, f.Prev, f.Elapsed = f.ID(), 0, record.Hash{}, 0
	f.Add(&record.Record{Kind: record.KindSession, Session: s}, f.OfLedger(), f.Root)
}

// Renew has another session key take over.
func (f *Forger) Renew() {
	f.T.Helper()
	f.Add(&record.Record{Kind: record.KindSession, Session: f.NewSession()}, f.OfLedger(), f.Root)
}

// NewSession makes the next session key, and what introduces it.
func (f *Forger) NewSession() *record.Session {
	f.Sessions++
	f.Session = Key(byte(10 + f.Sessions))
	return &record.Session{
		Key: record.KeyID(Public(f.Session)), Public: PKIX(Public(f.Session)), Signing: f.Signing,
		NotBefore: f.Now.Add(-time.Minute), NotAfter: f.Now.Add(24 * time.Hour),
	}
}

// Rotate hands over to another root key.
func (f *Forger) Rotate(next ed25519.PrivateKey) {
	f.T.Helper()
	f.Add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{
		Key: record.KeyID(Public(next)), Public: PKIX(Public(next)),
	}}, f.OfLedger(), f.Root, next)
	f.Root = next
}

// Deliver says that a sink refused records, and that a breaker opened.
func (f *Forger) Deliver(ranges ...record.Range) {
	f.T.Helper()
	refused := &record.Refusal{Exporter: "collector", Ranges: ranges, Error: []string{"http.400"}}
	for _, r := range ranges {
		refused.Count += r.To - r.From + 1
	}
	f.record(&record.Record{Kind: record.KindDeliveryFailed, Refused: refused}, f.OfLedger())
	f.record(&record.Record{Kind: record.KindBreaker, Breaker: &record.Breaker{
		Exporter: "collector", State: "open", Changes: 1, Error: []string{"http.503"},
	}}, f.OfLedger())
}

// Gap declares records lost.
func (f *Forger) Gap(from, to uint64) {
	f.T.Helper()
	gap := &record.Gap{From: from, To: to, Count: to - from + 1, Reason: "the queue was full"}
	f.record(&record.Record{Kind: record.KindGap, Gap: gap}, f.OfLedger())
}

// Erase says that a content was erased.
func (f *Forger) Erase() {
	f.T.Helper()
	f.record(&record.Record{Kind: record.KindErased, Erased: &record.Erased{
		Authority: "dpo", Commitment: someCommitment, Reason: "asked for",
	}}, f.OfLedger())
}

// A ForgedRun is a run that goes on.
type ForgedRun struct {
	f      *Forger
	id     string
	start  record.Hash
	head   record.Hash
	Seq    uint64
	calls  uint64
	lastID uint32
}

// Begin appends the beginning of a run.
func (f *Forger) Begin(id string) *ForgedRun {
	f.T.Helper()
	run := &ForgedRun{f: f, id: id, Seq: 1}
	run.start = f.record(&record.Record{
		Kind: record.KindStart, Run: id, RunSeq: 1, Who: &record.Who{Subject: "alice"},
	}, record.Subject{Name: record.SubjectRunID, Digest: HashOf(id)})
	run.head = run.start
	return run
}

func (run *ForgedRun) add(r *record.Record) {
	run.f.T.Helper()
	run.Seq++
	r.Run, r.RunSeq = run.id, run.Seq
	run.head = run.f.record(r, record.Subject{Name: record.SubjectRun, Digest: run.start})
}

const someCommitment = "gTCTiuKqpMpYqMH9WSMDPFIFVzTv5pUSR4BknK_qoI4"

// Intent appends the intent of a call of a tool.
func (run *ForgedRun) Intent(name string) *record.Call {
	run.f.T.Helper()
	return run.call("tool", name, 0)
}

func (run *ForgedRun) call(kind, name string, parent uint32) *record.Call {
	run.f.T.Helper()
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

// Outcome appends the outcome of a call.
func (run *ForgedRun) Outcome(call *record.Call, o record.Outcome, ds ...record.Decision) {
	run.f.T.Helper()
	o.Latency = 698323
	run.add(&record.Record{Kind: record.KindOutcome, Call: call, Outcome: &o, Decisions: ds})
}

// End appends the end of the run.
func (run *ForgedRun) End() {
	run.f.T.Helper()
	run.add(&record.Record{Kind: record.KindEnd, RunEnd: &record.RunEnd{Calls: run.calls, Head: run.head, Records: run.Seq + 1}})
}

// Outcomes and decisions of calls.
var (
	Done   = record.Outcome{Result: record.ResultDone, Reached: true}
	denied = record.Outcome{Result: record.ResultDenied, Gate: "tools", Code: "tool_not_allowed", Reason: "shell is not on the list"}
	Deny   = record.Decision{Gate: "tools", Verdict: "deny", Code: "tool_not_allowed", Reason: "shell is not on the list", Elapsed: 6352}
)

// Run appends a run of one call for each name: a shell is denied. Four records
// for one call, two for each further one.
func (f *Forger) Run(id string, names ...string) {
	f.T.Helper()
	run := f.Begin(id)
	for _, name := range names {
		call := run.Intent(name)
		if name == "shell" {
			run.Outcome(call, denied, Deny)
		} else {
			run.Outcome(call, Done)
		}
	}
	run.End()
}

// Checkpoint signs the tree as it is.
func (f *Forger) Checkpoint() []byte {
	f.T.Helper()
	return f.CheckpointBy(f.Session)
}

// CheckpointBy signs the tree as it is with another key.
func (f *Forger) CheckpointBy(key ed25519.PrivateKey) []byte {
	f.T.Helper()
	return SignCheckpoint(f.T, tiles.Checkpoint{Origin: f.Origin, Size: f.Tree.Size(), Root: f.Tree.Root()}, key)
}

// SignCheckpoint signs a checkpoint with a key.
func SignCheckpoint(t testing.TB, c tiles.Checkpoint, key ed25519.PrivateKey) []byte {
	t.Helper()
	signed, err := tiles.Sign(c, Public(key), func(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil })
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A Forgery is a ledger as it stands on disk.
type Forgery struct {
	Envs       [][]byte
	Checkpoint []byte
	Segment    []byte // instead of envs
	Files      map[string][]byte
}

// Ledger returns what was made, and a checkpoint of it.
func (f *Forger) Ledger() Forgery { return Forgery{Envs: f.Envs, Checkpoint: f.Checkpoint()} }

// Bare is a ledger without a checkpoint.
func Bare(envs ...[]byte) Forgery { return Forgery{Envs: envs} }

// Write writes the ledger to dir, in place of what is there.
func (l Forgery) Write(t testing.TB, dir string) {
	t.Helper()
	file := l.Segment
	if file == nil {
		file = segmenttest.File(l.Envs...)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment.Path(dir, 1), file, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range l.Files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if l.Checkpoint != nil {
		if err := os.WriteFile(filepath.Join(dir, "checkpoint"), l.Checkpoint, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// WriteTiles writes the complete tiles of the ledger.
func (l Forgery) WriteTiles(t testing.TB, dir string) {
	t.Helper()
	w := tiles.NewWriter(dir, tiles.Options{})
	for _, env := range append(l.Envs[:len(l.Envs):len(l.Envs)], nil) { // one more completes the last
		if err := w.Append(tiles.LeafHash(env), env); err != nil {
			t.Fatal(err)
		}
	}
}

// Agent appends ten records of a run: a chain that asks a model, uses a
// calculator and is denied a shell.
func (f *Forger) Agent(id string) {
	f.T.Helper()
	run := f.Begin(id)
	chain := run.call("chain", "agent", 0)
	model := run.call("model", "m", chain.ID)
	run.Outcome(model, Done)
	calculator := run.call("tool", "calculator", chain.ID)
	run.Outcome(calculator, Done)
	shell := run.call("tool", "shell", chain.ID)
	run.Outcome(shell, denied, Deny)
	run.Outcome(chain, Done)
	run.End()
}

// Base is the ledger that most attacks are on: a session and two runs of four
// records each.
func Base(t testing.TB) *Forger {
	f := NewForger(t)
	f.Open()
	f.Run("run-a", "shell")
	f.Run("run-b", "mail")
	return f
}
