package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"github.com/go-json-experiment/json"
)

var (
	// ErrNoRecord means that a ledger holds no record with an ID.
	ErrNoRecord = errors.New("it has no such record")

	// ErrNotCovered means that no checkpoint covers a record yet. One will:
	// about a second after the record while the writer runs, when it is
	// closed, or soon after the ledger is opened again.
	ErrNotCovered = errors.New("no checkpoint covers the record yet")
)

// An ErasedError reports a content that can no longer be disclosed, as the
// ledger says.
type ErasedError struct {
	Name       string // of the content
	Commitment string

	// What the payload.erased record holds.
	Time      time.Time
	Reason    string
	Authority string
}

// Error says when the content was erased, by whose authority, and why.
func (e *ErasedError) Error() string {
	date := e.Time.UTC().Format(time.RFC3339Nano)
	return fmt.Sprintf("the %s was erased on %s, by authority of %q: %q", e.Name, date, e.Authority, e.Reason)
}

// A proofExtra is what the extra line of a proof holds, in canonical form.
type proofExtra struct {
	Disclosures []string `json:"disclosures"` // by the names of their contents
	Record      string   `json:"record"`
	Sessions    []string `json:"sessions"`
}

// Prove returns a proof that the record with an ID is in the ledger in dir: a text of
// some kilobytes with which anyone who has a root key, and nothing else, can check the
// record with [VerifyProof]. Disclosures, as Config.Disclose got them, reveal contents
// of the record with it. See "Proofs" in the package doc for its form.
//
// The ledger is read through, and the proof is checked but for the root keys, which a
// ledger does not hold. The error wraps [ErrNoRecord] or [ErrNotCovered] where that is
// the reason, [ErrDamaged] where the records are not those of the checkpoint.
func Prove(dir, id string, disclosures ...record.Disclosure) ([]byte, error) {
	p := newProving(dir, id)
	proof, err := p.prove(false, func(*record.Record) ([]record.Disclosure, error) { return disclosures, nil })
	if err != nil {
		return nil, fmt.Errorf("evidence: prove %q: ledger %s: %w", record.Brief(id), dir, err)
	}
	return proof, nil
}

// Reveal returns what [Prove] does, with contents of the record from the
// ledger's payload store, by their names: [record.ContentInput] and so on. So one
// content of one record can be shown to somebody, and nothing else.
//
// The error wraps an [*ErasedError] where the content was erased, and
// fs.ErrNotExist where it was never kept or is not written yet.
func Reveal(dir string, payloadKey []byte, id string, names ...string) ([]byte, error) {
	p := newProving(dir, id)
	proof, err := p.prove(true, func(r *record.Record) ([]record.Disclosure, error) {
		if len(names) == 0 {
			return nil, errors.New("no content is named")
		}
		var ds []record.Disclosure
		for _, name := range names {
			d, err := p.reveal(r, payloadKey, name)
			if err != nil {
				return nil, err
			}
			ds = append(ds, d)
		}
		return ds, nil
	})
	if err != nil {
		return nil, fmt.Errorf("evidence: reveal %q: ledger %s: %w", record.Brief(id), dir, err)
	}
	return proof, nil
}

// A proving makes a proof.
type proving struct {
	dir, id string
	record  *record.Record // nil until it is found
	index   uint64
	env     []byte
	erased  map[string]*record.Record // by commitment
}

func newProving(dir, id string) *proving {
	return &proving{dir: dir, id: id, erased: make(map[string]*record.Record)}
}

// prove reads the ledger, all of it if asked for, and makes the proof.
func (p *proving) prove(all bool, contents func(*record.Record) ([]record.Disclosure, error)) ([]byte, error) {
	s, err := newCheckpointReader(p.dir)
	if errors.Is(err, chain.ErrNoCheckpoint) {
		return nil, fmt.Errorf("%w: %w", ErrNotCovered, err)
	}
	if err != nil {
		return nil, err
	}
	err = s.run(func(f *chain.Frame, index uint64) (bool, error) {
		switch r := f.Record; {
		case r == nil:
		case r.ID == p.id && p.record == nil:
			p.record, p.index, p.env = r, index, append([]byte(nil), f.Env...)
			if index < uint64(s.head.Size) {
				s.prover.Append(f.Leaf, true)
			}
		case r.ID == p.id:
			return false, fmt.Errorf("%w: two records have that ID", ErrDamaged)
		case r.Kind == record.KindErased && p.erased[r.Erased.Commitment] == nil:
			p.erased[r.Erased.Commitment] = r
		}
		return all || p.record == nil, nil
	})
	switch {
	case err != nil:
		return nil, err
	case p.record == nil:
		return nil, ErrNoRecord
	case p.index >= uint64(s.head.Size):
		return nil, fmt.Errorf("%w: it is number %d, and the newest covers %d; the writer signs one about a second after a record, "+
			"and when it is closed", ErrNotCovered, p.index+1, s.head.Size)
	}
	ds, err := contents(p.record)
	if err != nil {
		return nil, err
	}
	return p.assemble(s, ds)
}

func (p *proving) assemble(s *checkpointReader, disclosures []record.Disclosure) ([]byte, error) {
	sessions, err := p.sessions(s)
	if err != nil {
		return nil, err
	}
	x := proofExtra{Record: string(p.env), Sessions: sessions}
	if x.Disclosures, err = p.order(disclosures); err != nil {
		return nil, err
	}
	extra, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	if len(extra) > tiles.MaxExtra {
		return nil, fmt.Errorf("the contents take more than the %d bytes that a proof can hold", tiles.MaxExtra)
	}
	proof := tiles.Proof{Extra: extra, Checkpoint: s.head.Note}
	proof.Index, proof.Hashes = s.prover.Inclusion()
	text := proof.Marshal()
	// What nobody but us would notice before it is too late.
	if err := checkOwnProof(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return text, nil
}

// sessions returns what root keys must have signed.
func (p *proving) sessions(s *checkpointReader) ([]string, error) {
	first := -1
	for i, r := range s.roots {
		if r.session != nil && r.index <= p.index {
			first = i
		}
	}
	if first < 0 {
		return nil, fmt.Errorf("%w: no session begins before the record", ErrDamaged)
	}
	if first > s.signer {
		return nil, fmt.Errorf("%w: its checkpoint is signed by a session that had ended", ErrDamaged)
	}
	var envs []string
	for i, r := range s.roots[first:] {
		i += first
		rotation := r.session == nil && (i < s.signer || r.index == p.index)
		if i == first || i == s.signer || rotation {
			envs = append(envs, string(r.env))
		}
	}
	return envs, nil
}

// order returns the disclosures as they stand in a proof.
func (p *proving) order(ds []record.Disclosure) ([]string, error) {
	names := make(map[string]string)
	for _, d := range ds {
		name, _, err := d.OpenIn(p.record)
		if err != nil {
			return nil, err
		}
		names[d.Encoded] = name
	}
	ds = slices.Clone(ds)
	slices.SortFunc(ds, func(a, b record.Disclosure) int { return cmp.Compare(names[a.Encoded], names[b.Encoded]) })
	encoded := []string{}
	for _, d := range ds {
		encoded = append(encoded, d.Encoded)
	}
	return slices.Compact(encoded), nil
}

// reveal returns the disclosure of a content from the payload store.
func (p *proving) reveal(r *record.Record, key []byte, name string) (record.Disclosure, error) {
	c := r.Content(name)
	if c == nil {
		return record.Disclosure{}, fmt.Errorf("the record, which is of the kind %s, has no %q", r.Kind, record.Brief(name))
	}
	if e := p.erased[c.Commitment]; e != nil {
		return record.Disclosure{}, &ErasedError{
			Name: name, Commitment: c.Commitment, Time: e.Time, Reason: e.Erased.Reason, Authority: e.Erased.Authority,
		}
	}
	d, err := openPayload(p.dir, key, c.Commitment)
	if errors.Is(err, fs.ErrNotExist) {
		return record.Disclosure{}, fmt.Errorf("the %s was not kept, or is not written yet: %w", name, err)
	}
	return d, err
}
