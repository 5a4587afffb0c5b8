package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// rotatedLedger writes a ledger of three writers: two with the first test key, one of
// which hands over to the second, and one with that.
func rotatedLedger(t testing.TB, signing record.Signing) (dir string) {
	t.Helper()
	dir = ledgertest.Dir(t)
	write := func(cfg evidence.Config, do func(r *evidence.Recorder)) {
		cfg.Signing, cfg.Ledger = signing, "proofs"
		r := open(t, dir, cfg)
		do(r)
		if err := r.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	run := func(r *evidence.Recorder) {
		if err := agent(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	write(evidence.Config{Key: ledgertest.Key(1)}, run)
	write(evidence.Config{Key: ledgertest.Key(1)}, func(r *evidence.Recorder) {
		run(r)
		if err := r.Rotate(t.Context(), ledgertest.Key(2)); err != nil {
			t.Fatal(err)
		}
		run(r)
	})
	write(evidence.Config{Key: ledgertest.Key(2)}, run)
	return dir
}

var bothKeys = evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}, Ledger: "proofs"}

func mustProve(t testing.TB, dir, id string, ds ...record.Disclosure) []byte {
	t.Helper()
	text, err := evidence.Prove(dir, id, ds...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every record can be proved, and tools of other people agree.
func TestProveEachRecord(t *testing.T) {
	for _, signing := range []record.Signing{record.SignRecords, record.SignCheckpoints} {
		t.Run(string(signing), func(t *testing.T) {
			dir := rotatedLedger(t, signing)
			for i, e := range ledgertest.Entries(t, dir) {
				text := mustProve(t, dir, e.Record.ID)
				got, err := evidence.VerifyProof(text, bothKeys)
				if err != nil {
					t.Fatalf("record %d, %s: %v", i, e.Record.Kind, err)
				}
				if got.Index != uint64(i) || got.Hash != e.Hash || got.Subject != e.Subject || got.Record.ID != e.Record.ID || got.Contents != nil {
					t.Errorf("record %d: got %+v", i, got)
				}
				var theirs proof.TLogProof
				if err := theirs.Unmarshal(text); err != nil {
					t.Fatal(err)
				}
				var path tlog.RecordProof
				for _, h := range theirs.Hashes {
					path = append(path, h)
				}
				size, root := int64(got.Checkpoint.Records), tlog.Hash(got.Checkpoint.Root)
				if err := tlog.CheckRecord(path, size, root, int64(theirs.Index), tlog.RecordHash(e.Envelope)); err != nil {
					t.Errorf("record %d: %v", i, err)
				}
			}
		})
	}
}

// The root keys that a proof needs are those that signed its sessions.
func TestVerifyProofNeedsTheRoots(t *testing.T) {
	dir := rotatedLedger(t, record.SignRecords)
	all := ledgertest.Entries(t, dir)
	first, last := mustProve(t, dir, all[1].Record.ID), mustProve(t, dir, all[len(all)-2].Record.ID)
	one := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}
	two := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(2))}}
	if _, err := evidence.VerifyProof(last, two); err != nil {
		t.Errorf("after the rotation, by the second key: %v", err)
	}
	wantNotProven(t, "after the rotation, by the first key", last, one, "session 1: unknown_key")
	wantNotProven(t, "before the rotation, by the second key", first, two, "session 1: unknown_key")
	wantNotProven(t, "before the rotation, by the first key", first, one, "session 2: unknown_key: it rotates to key")
}

func wantNotProven(t *testing.T, name string, text []byte, opts evidence.VerifyOptions, says string) {
	t.Helper()
	got, err := evidence.VerifyProof(text, opts)
	if err == nil {
		t.Errorf("%s: got %+v, want an error", name, got.Record)
		return
	}
	if !errors.Is(err, evidence.ErrNotProven) || !strings.Contains(err.Error(), says) || len(err.Error()) > 700 {
		t.Errorf("%s: got %v, want it not proven: %s", name, err, says)
	}
}

// An extraLine is the extra line of a proof, written a second time.
type extraLine struct {
	Disclosures []string `json:"disclosures"`
	Record      string   `json:"record"`
	Sessions    []string `json:"sessions"`
}

// changeProof changes a proof.
func changeProof(t testing.TB, text []byte, f func(p *tiles.Proof, x *extraLine)) []byte {
	t.Helper()
	p, err := tiles.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	var x extraLine
	if err := json.Unmarshal(p.Extra, &x); err != nil {
		t.Fatal(err)
	}
	before := p.Extra
	f(&p, &x)
	if bytes.Equal(p.Extra, before) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(x); err != nil {
			t.Fatal(err)
		}
		p.Extra = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	return p.Marshal()
}

func TestVerifyProofRefuses(t *testing.T) {
	var disclosed []record.Disclosure
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Ledger: "proofs", Disclose: func(d record.Disclosure) { disclosed = append(disclosed, d) }})
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := ledgertest.Entries(t, dir)
	intent := all[2]
	var input record.Disclosure
	for _, d := range disclosed {
		if d.Record == intent.Record.ID {
			input = d
		}
	}
	text := mustProve(t, dir, intent.Record.ID, input)
	opts := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}, Ledger: "proofs"}
	got, err := evidence.VerifyProof(changeProof(t, text, func(*tiles.Proof, *extraLine) {}), opts)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"input":"What is 19 * 23?"}`; string(got.Contents["input"]) != want || len(got.Contents) != 1 {
		t.Errorf("got %s, want %s", got.Contents, want)
	}

	forged, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	other := rotatedLedger(t, record.SignRecords)
	theirs := ledgertest.Entries(t, other)
	unsigned := func(env []byte) string {
		s := string(env)
		return s[:strings.Index(s, `"signatures":[`)] + `"signatures":[]}`
	}
	for _, tt := range []struct {
		name, says string
		change     func(p *tiles.Proof, x *extraLine)
	}{
		{"no extra", "the extra line", func(p *tiles.Proof, _ *extraLine) { p.Extra = nil }},
		{"another extra", "the extra line", func(p *tiles.Proof, _ *extraLine) { p.Extra = []byte("hello") }},
		{"an unknown member", "the extra line", func(p *tiles.Proof, _ *extraLine) {
			p.Extra = append([]byte(`{"a":1,`), p.Extra[1:]...)
		}},
		{"a member twice", "the extra line", func(p *tiles.Proof, _ *extraLine) {
			p.Extra = append([]byte(`{"disclosures":[],`), p.Extra[1:]...)
		}},
		{"white space", "not in canonical form", func(p *tiles.Proof, _ *extraLine) { p.Extra = append(p.Extra, ' ') }},
		{"null", "not in canonical form", func(p *tiles.Proof, _ *extraLine) {
			p.Extra = bytes.Replace(p.Extra, []byte(`["`+input.Encoded+`"]`), []byte("null"), 1)
		}},
		{"no session", "holds no session", func(_ *tiles.Proof, x *extraLine) { x.Sessions = []string{} }},
		{"too many sessions", "more than", func(_ *tiles.Proof, x *extraLine) { x.Sessions = make([]string, 1001) }},
		{"a session twice", "session 2: it stands there twice", func(_ *tiles.Proof, x *extraLine) { x.Sessions = append(x.Sessions, x.Sessions[0]) }},
		{"a record as session", "session 1:", func(_ *tiles.Proof, x *extraLine) { x.Sessions[0] = string(all[1].Envelope) }},
		{"a record as second session", "session 2: it is a", func(_ *tiles.Proof, x *extraLine) { x.Sessions = append(x.Sessions, string(all[1].Envelope)) }},
		{"not an envelope as session", "session 1: malformed", func(_ *tiles.Proof, x *extraLine) { x.Sessions[0] = "{" }},
		{"a session without signature", "session 1: unsigned", func(_ *tiles.Proof, x *extraLine) { x.Sessions[0] = unsigned(all[0].Envelope) }},
		{"a session that another key signed", "session 1: unknown_key", func(_ *tiles.Proof, x *extraLine) {
			x.Sessions[0] = string(ledgertest.Seal(forged, ledgertest.DecodePayload(t, all[0].Envelope)))
		}},
		{"an edited session", "session 1:", func(_ *tiles.Proof, x *extraLine) { x.Sessions[0] = strings.Replace(x.Sessions[0], "ZX", "ZY", 1) }},
		{"a session of another writer", "unknown_key", func(_ *tiles.Proof, x *extraLine) { x.Sessions[0] = string(theirs[0].Envelope) }},
		{"another record of the ledger", "is not shown to be in a log", func(_ *tiles.Proof, x *extraLine) {
			x.Record, x.Disclosures = string(all[3].Envelope), []string{}
		}},
		{"a record of another ledger", "the record: ", func(_ *tiles.Proof, x *extraLine) { x.Record = string(theirs[3].Envelope) }},
		{"a record without signature", "unsigned", func(_ *tiles.Proof, x *extraLine) { x.Record = unsigned(intent.Envelope) }},
		{"a record that a root key signed", "unknown_key", func(_ *tiles.Proof, x *extraLine) {
			x.Record = string(ledgertest.Seal(ledgertest.Key(1), ledgertest.DecodePayload(t, intent.Envelope)))
		}},
		{"no record", "the record: malformed", func(_ *tiles.Proof, x *extraLine) { x.Record = "" }},
		{"another index", "is not shown to be in a log", func(p *tiles.Proof, _ *extraLine) { p.Index++ }},
		{"an index beyond", "is not shown to be in a log", func(p *tiles.Proof, _ *extraLine) { p.Index = 1 << 50 }},
		{"a hash less", "is not shown to be in a log", func(p *tiles.Proof, _ *extraLine) { p.Hashes = p.Hashes[1:] }},
		{"a hash more", "is not shown to be in a log", func(p *tiles.Proof, _ *extraLine) { p.Hashes = append(p.Hashes, tiles.Hash{}) }},
		{"another hash", "is not shown to be in a log", func(p *tiles.Proof, _ *extraLine) { p.Hashes[0][0] ^= 1 }},
		{"an edited checkpoint", "checkpoint", func(p *tiles.Proof, _ *extraLine) {
			p.Checkpoint = bytes.Replace(p.Checkpoint, []byte("\n1"), []byte("\n2"), 1)
		}},
		{"a checkpoint that another key signed", "the last session did not sign the checkpoint", func(p *tiles.Proof, _ *extraLine) {
			cp, err := tiles.ParseCheckpoint(string(p.Checkpoint[:bytes.Index(p.Checkpoint, []byte("\n\n"))+1]))
			if err != nil {
				t.Fatal(err)
			}
			sign := func(b []byte) ([]byte, error) { return ed25519.Sign(forged, b), nil }
			if p.Checkpoint, err = tiles.Sign(cp, ledgertest.Public(forged), sign); err != nil {
				t.Fatal(err)
			}
		}},
		{"the checkpoint of another ledger", "", func(p *tiles.Proof, _ *extraLine) {
			if p.Checkpoint, err = os.ReadFile(filepath.Join(other, "checkpoint")); err != nil {
				t.Fatal(err)
			}
		}},
		{"no signature of the checkpoint", "", func(p *tiles.Proof, _ *extraLine) {
			p.Checkpoint = p.Checkpoint[:bytes.Index(p.Checkpoint, []byte("\n\n"))+1]
		}},
		{"a disclosure of another record", "does not open the commitment", func(_ *tiles.Proof, x *extraLine) {
			for _, d := range disclosed {
				if d.Record != intent.Record.ID {
					if name, _, _ := d.Open(); name == "input" {
						x.Disclosures[0] = d.Encoded
					}
				}
			}
		}},
		{"an edited disclosure", "does not open", func(_ *tiles.Proof, x *extraLine) {
			x.Disclosures[0] = base64.RawURLEncoding.EncodeToString([]byte(`["c2FsdHNhbHRzYWx0c2FsdA","input","4"]`))
		}},
		{"a disclosure of what is not there", "which the record does not have", func(_ *tiles.Proof, x *extraLine) {
			x.Disclosures[0] = base64.RawURLEncoding.EncodeToString([]byte(`["c2FsdHNhbHRzYWx0c2FsdA","output","4"]`))
		}},
		{"a disclosure twice", "not in order", func(_ *tiles.Proof, x *extraLine) { x.Disclosures = append(x.Disclosures, x.Disclosures[0]) }},
		{"no disclosure", "", func(_ *tiles.Proof, x *extraLine) { x.Disclosures[0] = "" }},
		{"a disclosure with a line break", "base64url", func(_ *tiles.Proof, x *extraLine) { x.Disclosures[0] += "\n" }},
		{"too many disclosures", "more disclosures", func(_ *tiles.Proof, x *extraLine) { x.Disclosures = make([]string, 4) }},
	} {
		wantNotProven(t, tt.name, changeProof(t, text, tt.change), opts, tt.says)
	}
	wantNotProven(t, "half of it", text[:len(text)/2], opts, "")
	wantNotProven(t, "another ledger", text, evidence.VerifyOptions{Keys: opts.Keys, Ledger: "prod"}, `it is of the ledger "proofs"`)
	wantNotProven(t, "another key", text, evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(forged)}}, "session 1: unknown_key")
	wantNotProven(t, "too long", append(bytes.Clone(text), make([]byte, 20<<20)...), opts, "longer than")
	for _, other := range []string{"", "hello", "c2sp.org/tlog-proof@v2\n", string(intent.Envelope)} {
		if _, err := evidence.VerifyProof([]byte(other), opts); !errors.Is(err, evidence.ErrNotProof) {
			t.Errorf("%.30q: got %v, want %v", other, err, evidence.ErrNotProof)
		}
	}
}

// A session that another session signed, and no root key, proves nothing: who has a
// session key makes no other.
func TestASessionThatASessionSigned(t *testing.T) {
	f := ledgertest.Base(t)
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	another := ledgertest.NewForger(t)
	another.Origin, another.Salt = f.Origin, 5
	another.Open()
	bySession := ledgertest.Seal(ledgertest.Key(11), ledgertest.DecodePayload(t, another.Envs[0]))
	text := changeProof(t, mustProve(t, dir, ledgertest.Entries(t, dir)[2].Record.ID), func(_ *tiles.Proof, x *extraLine) {
		x.Sessions = append(x.Sessions, string(bySession))
	})
	opts := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}
	wantNotProven(t, "signed by the session before", text, opts, "session 2: unknown_key: a session key signed this key.session")
}

// What is wrong with the options says nothing of the proof.
func TestVerifyProofOptions(t *testing.T) {
	dir := rotatedLedger(t, record.SignRecords)
	text := mustProve(t, dir, ledgertest.Entries(t, dir)[0].Record.ID)
	for name, opts := range map[string]evidence.VerifyOptions{
		"no key":                   {},
		"a short key":              {Keys: []ed25519.PublicKey{{1}}},
		"a policy of other ledger": {Policy: &trust.Policy{Ledgers: []trust.Ledger{{Origin: "other"}}}},
		"no checkpoint":            {Keys: bothKeys.Keys, Checkpoints: [][]byte{[]byte("hello")}},
	} {
		if _, err := evidence.VerifyProof(text, opts); err == nil || errors.Is(err, evidence.ErrNotProven) {
			t.Errorf("%s: got %v, want an error about the options", name, err)
		}
	}
}

// A policy bounds what a proof proves, as it bounds a ledger.
func TestVerifyProofWithPolicy(t *testing.T) {
	dir := rotatedLedger(t, record.SignRecords)
	all := ledgertest.Entries(t, dir)
	size := uint64(len(all))
	index := 1
	now := time.Now()
	policy := func(change func(one, two *trust.Root)) evidence.VerifyOptions {
		roots := []trust.Root{{Key: ledgertest.Public(ledgertest.Key(1))}, {Key: ledgertest.Public(ledgertest.Key(2))}}
		change(&roots[0], &roots[1])
		return evidence.VerifyOptions{Policy: &trust.Policy{Ledgers: []trust.Ledger{{Origin: "proofs", Roots: roots}}}}
	}
	for i, e := range all {
		if e.Record.Kind == record.KindRotate {
			index = i
		}
	}
	before, after := mustProve(t, dir, all[1].Record.ID), mustProve(t, dir, all[size-2].Record.ID)
	for _, tt := range []struct {
		name  string
		proof []byte
		says  string // empty if it holds
		opts  evidence.VerifyOptions
	}{
		{"no bounds", before, "", policy(func(_, _ *trust.Root) {})},
		{"within its time", before, "", policy(func(one, _ *trust.Root) { one.NotAfter = now.Add(time.Hour) })},
		{"too early", before, "session 1: expired_key", policy(func(one, _ *trust.Root) { one.NotBefore = now.Add(time.Hour) })},
		{"too late", before, "session 1: expired_key", policy(func(one, _ *trust.Root) { one.NotAfter = now.Add(-time.Hour) })},
		{"revoked at the rotation", before, "", policy(func(one, _ *trust.Root) { one.LastRecord = uint64(index + 1) })},
		{"revoked before the record", before, "session 2: expired_key", policy(func(one, _ *trust.Root) { one.LastRecord = 1 })},
		{"revoked before the rotation", before, "session 2: expired_key", policy(func(one, _ *trust.Root) { one.LastRecord = 2 })},
		{"revoked before the record after it", after, "the record: expired_key", policy(func(_, two *trust.Root) { two.LastRecord = size - 2 })},
		{"revoked before the checkpoint", after, "the checkpoint's session is trusted up to record",
			policy(func(_, two *trust.Root) { two.LastRecord = size - 1 })},
		{"revoked at the end", after, "", policy(func(_, two *trust.Root) { two.LastRecord = size })},
	} {
		if tt.says != "" {
			wantNotProven(t, tt.name, tt.proof, tt.opts, tt.says)
		} else if _, err := evidence.VerifyProof(tt.proof, tt.opts); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A checkpoint from elsewhere of the same size must be of the same records.
func TestVerifyProofWithCheckpoints(t *testing.T) {
	dir := rotatedLedger(t, record.SignRecords)
	text := mustProve(t, dir, ledgertest.Entries(t, dir)[0].Record.ID)
	own, err := evidence.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(c tiles.Checkpoint) [][]byte {
		key := ledgertest.Key(9)
		signed, err := tiles.Sign(c, ledgertest.Public(key), func(b []byte) ([]byte, error) { return ed25519.Sign(key, b), nil })
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{own.Signed, signed}
	}
	opts := bothKeys
	size := int64(own.Head.Records)
	opts.Checkpoints = forge(tiles.Checkpoint{Origin: "proofs", Size: size - 1, Root: tiles.Hash{1}})
	if _, err := evidence.VerifyProof(text, opts); err != nil {
		t.Errorf("another size: %v", err)
	}
	opts.Checkpoints = forge(tiles.Checkpoint{Origin: "proofs", Size: size, Root: tiles.Hash{1}})
	wantNotProven(t, "another root", text, opts, "rewritten: checkpoint 2 of those given covers")
	opts.Checkpoints = forge(tiles.Checkpoint{Origin: "other", Size: size, Root: tiles.Hash(own.Head.Root)})
	wantNotProven(t, "another ledger", text, opts, `checkpoint 2 of those given is of the ledger "other"`)
	opts.Checkpoints = [][]byte{bytes.Replace(own.Signed, []byte(fmt.Sprintf("\n%d\n", size)), []byte(fmt.Sprintf("\n%d\n", size+1)), 1)}
	wantNotProven(t, "edited", text, opts, "checkpoint 1 of those given")
}

// Whatever is taken has one form, and is of the ledger and of the keys.
func FuzzVerifyProof(f *testing.F) {
	dir := rotatedLedger(f, record.SignCheckpoints)
	all := ledgertest.Entries(f, dir)
	for _, i := range []int{0, 1, len(all) / 2, len(all) - 1} {
		f.Add(mustProve(f, dir, all[i].Record.ID))
	}
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\nnote\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := evidence.VerifyProof(text, bothKeys)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v and %v", got, err)
		}
		if err != nil {
			if !errors.Is(err, evidence.ErrNotProven) && !errors.Is(err, evidence.ErrNotProof) {
				t.Errorf("got %v, want it not proven", err)
			}
			return
		}
		p, err := tiles.ParseProof(text)
		if err != nil || !bytes.Equal(p.Marshal(), text) {
			t.Errorf("%q is taken, and not its own form: %v", text, err)
		}
		if got.Record.Ledger != "proofs" || got.Index >= got.Checkpoint.Records {
			t.Errorf("got %+v", got)
		}
	})
}
