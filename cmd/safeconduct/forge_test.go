package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// The format of ledgers, written a second time: what the recorder never writes,
// gaps and lies among it, can be had in no other way.
const segmentHeader = "safeconduct segment v1\n"

func segmentPath(dir string) string {
	return filepath.Join(dir, "segments", "00000000000000000001.seg")
}

func appendFrame(dst, env []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(env)))
	sum := crc32.Checksum(append(head, env...), crc32.MakeTable(crc32.Castagnoli))
	dst = append(dst, head[:4]...)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, env...)
}

// writeLedger writes a ledger of one segment.
func writeLedger(t *testing.T, envelopes ...[]byte) (dir string) {
	t.Helper()
	segment := []byte(segmentHeader)
	for _, env := range envelopes {
		segment = appendFrame(segment, env)
	}
	return writeSegment(t, segment)
}

func writeSegment(t *testing.T, segment []byte) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ledger")
	if err := os.MkdirAll(filepath.Dir(segmentPath(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segmentPath(dir), segment, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readSegment(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(segmentPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readEnvelopes returns the envelopes of a ledger of one segment.
func readEnvelopes(t *testing.T, dir string) (envelopes [][]byte) {
	t.Helper()
	for rest := readSegment(t, dir)[len(segmentHeader):]; len(rest) > 0; {
		n := binary.BigEndian.Uint32(rest)
		envelopes = append(envelopes, rest[8:8+n])
		rest = rest[8+n:]
	}
	return envelopes
}

// flip changes a byte in the middle of the nth record, from 1.
func flip(t *testing.T, dir string, n int) (segment []byte) {
	t.Helper()
	envelopes, at := readEnvelopes(t, dir), len(segmentHeader)
	for _, env := range envelopes[:n-1] {
		at += 8 + len(env)
	}
	segment = readSegment(t, dir)
	segment[at+8+len(envelopes[n-1])/2] ^= 1
	return segment
}

// A forger signs whatever records it is given, as one writer with one session.
type forger struct {
	t         *testing.T
	key       ed25519.PrivateKey // what it signs with
	writer    string
	seq       uint64
	prev      record.Hash
	starts    map[string]record.Hash // of runs
	runSeq    map[string]uint64
	envelopes [][]byte
}

// newForger returns the nth writer, whose key.session the root key has signed.
func newForger(t *testing.T, root ed25519.PrivateKey, n int) *forger {
	f := &forger{t: t, key: root, writer: id(n << 16), starts: make(map[string]record.Hash), runSeq: make(map[string]uint64)}
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	session := sessionOf(t, key)
	f.sign(record.Record{Kind: record.KindSession, Session: &session})
	f.key = key
	return f
}

// sessionOf returns the statement that introduces a session key.
func sessionOf(t *testing.T, key ed25519.PrivateKey) record.Session {
	t.Helper()
	public := key.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return record.Session{
		Key: record.KeyID(public), Public: der, Signing: record.SignRecords,
		NotBefore: began, NotAfter: began.Add(time.Hour),
	}
}

// began is when forged ledgers begin.
var began = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

// id returns the nth UUIDv7 of the tests.
func id(n int) string { return fmt.Sprintf("019a0000-0000-7000-8000-%012x", n) }

// sign fills in what every record has and appends it.
func (f *forger) sign(r record.Record) {
	f.t.Helper()
	f.seq++
	subject := record.Subject{Name: record.SubjectLedger, Digest: sha256.Sum256([]byte("forged"))}
	if r.Run != "" {
		f.runSeq[r.Run]++
		r.RunSeq = max(r.RunSeq, f.runSeq[r.Run])
		f.runSeq[r.Run] = r.RunSeq
		subject = record.Subject{Name: record.SubjectRunID, Digest: sha256.Sum256([]byte(r.Run))}
		if start, ok := f.starts[r.Run]; ok {
			subject = record.Subject{Name: record.SubjectRun, Digest: start}
		}
	}
	r.Seq = max(r.Seq, f.seq)
	f.seq = r.Seq
	r.ID, r.Writer, r.Ledger, r.Version, r.Prev = id(int(r.Seq)), f.writer, "forged", 1, f.prev
	r.Time = began.Add(time.Duration(r.Seq) * time.Second)
	r.Mono = time.Duration(r.Seq) * time.Second

	type digest struct {
		SHA256 record.Hash `json:"sha256"`
	}
	type about struct {
		Digest digest `json:"digest"`
		Name   string `json:"name"`
	}
	payload := encode(f.t, struct {
		Type          string        `json:"_type"`
		Predicate     record.Record `json:"predicate"`
		PredicateType string        `json:"predicateType"`
		Subject       []about       `json:"subject"`
	}{record.StatementType, r, record.PredicateType, []about{{digest{subject.Digest}, subject.Name}}})
	f.prev = sha256.Sum256(payload)
	if r.Kind == record.KindStart {
		f.starts[r.Run] = f.prev
	}
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(record.PayloadType), record.PayloadType, len(payload), payload)
	f.envelopes = append(f.envelopes, fmt.Appendf(nil, `{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}`,
		base64.StdEncoding.EncodeToString(payload), record.PayloadType,
		record.KeyID(f.key.Public().(ed25519.PublicKey)), base64.StdEncoding.EncodeToString(ed25519.Sign(f.key, pae))))
}

// encode returns canonical JSON, as encoding/json gives it of a Record.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (f *forger) start(run string) { f.sign(record.Record{Kind: record.KindStart, Run: run}) }

func (f *forger) intent(run string, call, parent uint32, kind, name string) {
	f.sign(record.Record{
		Kind: record.KindIntent, Run: run, Call: &record.Call{ID: call, Parent: parent, Kind: kind, Name: name},
		Input: &record.Content{Commitment: strings.Repeat("A", 43)},
	})
}

func (f *forger) outcome(run string, call, parent uint32, kind, name string) {
	f.sign(record.Record{
		Kind: record.KindOutcome, Run: run, Call: &record.Call{ID: call, Parent: parent, Kind: kind, Name: name},
		Outcome: &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 12 * time.Millisecond},
	})
}

func (f *forger) end(run string, calls uint64) {
	f.sign(record.Record{
		Kind: record.KindEnd, Run: run,
		RunEnd: &record.RunEnd{Calls: calls, Head: f.prev, Records: f.runSeq[run] + 1},
	})
}

// gap declares n records lost.
func (f *forger) gap(n uint64, reason string) {
	from := f.seq + 1
	f.sign(record.Record{
		Kind: record.KindGap, Seq: from + n,
		Gap: &record.Gap{Count: n, From: from, To: from + n - 1, Reason: reason},
	})
}
