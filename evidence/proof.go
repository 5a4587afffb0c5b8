package evidence

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"github.com/go-json-experiment/json"
)

var (
	// ErrNotProven means that a proof does not prove what it claims to.
	ErrNotProven = errors.New("it does not hold")

	// ErrNotProof means that a text is not a proof at all.
	ErrNotProof = errors.New("not a tlog-proof: it does not begin with the line " + proofHeader)
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1"

	// maxProof bounds what is parsed: the extra line, and the rest with room
	// to spare.
	maxProof = (tiles.MaxExtra+2)/3*4 + 2*chain.MaxCheckpoint

	// maxProofSessions bounds the signatures that a proof makes work with.
	maxProofSessions = 1000
)

// A Proven is what a proof proves: that the record is in the ledger.
type Proven struct {
	Record  *record.Record
	Subject record.Subject
	Hash    record.Hash // SHA-256 of the payload: the identity of the record

	Index      uint64          // of the record in the ledger, from 0
	Checkpoint record.TreeHead // of the ledger that is proved to hold it

	// Contents are the contents that the proof reveals, each by its name: the
	// value as JSON, as it was committed to when the record was written. They
	// are data of others.
	Contents map[string][]byte
}

// VerifyProof checks a proof that [Prove] or [Reveal] made: that the record is in the
// ledger, whose root keys are trusted, and that what is revealed is what the record
// committed to. Nothing but the proof and the options is needed; their Progress is not
// called. See "Proofs" in the package doc for what a proof shows, and what it does not.
//
// The error wraps [ErrNotProven] where the proof does not prove what it claims to, and
// says what does not hold; [ErrNotProof] where the text is something else. Any other
// error is about the options.
func VerifyProof(proof []byte, opts VerifyOptions) (*Proven, error) {
	proven, err := verifyProof(proof, &opts)
	if err != nil {
		return nil, fmt.Errorf("evidence: proof: %w", err)
	}
	return proven, nil
}

func verifyProof(proof []byte, opts *VerifyOptions) (*Proven, error) {
	outside, err := opts.check()
	if err != nil {
		return nil, err
	}
	p, err := parseProof(proof)
	if err != nil {
		return nil, err
	}
	roots, err := chain.RootKeys(opts.Keys, opts.Policy, p.head.Origin)
	if err != nil {
		return nil, err
	}
	if opts.Ledger != "" && p.head.Origin != opts.Ledger {
		return nil, fmt.Errorf("%w: it is of the ledger %q", ErrNotProven, record.Brief(p.head.Origin))
	}
	proven, err := p.judge(chain.NewKeyring(p.head.Origin, roots))
	if err == nil {
		err = p.agree(outside)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	return proven, nil
}

// checkOwnProof checks all of a proof but whether root keys signed it.
func checkOwnProof(proof []byte) error {
	p, err := parseProof(proof)
	if err == nil {
		_, err = p.judge(nil)
	}
	return err
}

// A parsedProof is a proof that nothing has been checked of.
type parsedProof struct {
	tiles.Proof
	proofExtra
	head *chain.Anchor

	sessions []proofSession // those that were checked
	env      record.Envelope
}

// A proofSession is a session and the record that introduces it.
type proofSession struct {
	*chain.Session
	record *record.Record
}

func parseProof(text []byte) (*parsedProof, error) {
	if !bytes.HasPrefix(text, []byte(proofHeader+"\n")) {
		return nil, ErrNotProof
	}
	if len(text) > maxProof {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrNotProven, maxProof)
	}
	p := &parsedProof{}
	var err error
	if p.Proof, err = tiles.ParseProof(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	if p.head, err = chain.ParseAnchor(p.Checkpoint, "the checkpoint"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	if err := p.parseExtra(); err != nil {
		return nil, fmt.Errorf("%w: the extra line: %w", ErrNotProven, err)
	}
	return p, nil
}

// parseExtra takes the one form of the JSON that there is.
func (p *parsedProof) parseExtra() error {
	if len(p.Extra) == 0 {
		return errors.New("there is none: it is of another log, or was left out")
	}
	if err := json.Unmarshal(p.Extra, &p.proofExtra, json.RejectUnknownMembers(true)); err != nil {
		return errors.New("is not the JSON that it must be")
	}
	again, err := json.Marshal(p.proofExtra)
	switch {
	case err != nil || !bytes.Equal(again, p.Extra):
		return errors.New("is not in canonical form")
	case len(p.Sessions) == 0:
		return errors.New("holds no session")
	case len(p.Sessions) > maxProofSessions:
		return fmt.Errorf("holds more than %d sessions", maxProofSessions)
	case len(p.Disclosures) > 3:
		return errors.New("holds more disclosures than a record has contents")
	}
	return nil
}

// judge checks all that the proof claims. Without a keyring it takes the sessions
// as they are.
func (p *parsedProof) judge(ring *chain.Keyring) (*Proven, error) {
	proven := &Proven{
		Index:      uint64(p.Index),
		Checkpoint: record.TreeHead{Records: uint64(p.head.Size), Root: record.Hash(p.head.Root)},
	}
	for i, env := range p.Sessions {
		f, err := p.introduce(ring, i, []byte(env))
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", i+1, err)
		}
		if env == p.Record { // a root key has signed it
			proven.Record, proven.Subject, proven.Hash = f.Record, f.Subject, f.Hash
		}
	}
	if proven.Record == nil {
		if err := p.open(proven); err != nil {
			return nil, fmt.Errorf("the record: %w", err)
		}
	}
	if err := p.checkHead(); err != nil {
		return nil, err
	}
	leaf := tiles.LeafHash([]byte(p.Record))
	if err := tiles.CheckInclusion(p.Hashes, p.Index, p.head.Size, leaf, p.head.Root); err != nil {
		return nil, err
	}
	return proven, p.disclose(proven)
}

// introduce checks a statement about keys, and takes its session, if it is one.
func (p *parsedProof) introduce(ring *chain.Keyring, i int, env []byte) (*chain.Frame, error) {
	f := &chain.Frame{Env: env}
	if ring == nil {
		if f.Open(&p.env); f.Err == nil && f.Record.Kind == record.KindSession {
			f.Session = chain.NewSession(f.Record, f.Hash)
		}
	} else {
		// How many records come before it, as far as that is known: what comes
		// after the record may have more.
		switch {
		case string(env) == p.Record:
			ring.Records = uint64(p.Index)
		case i > 0:
			ring.Records = uint64(p.Index) + 1
		}
		ring.Open(f, env)
	}
	if f.Err != nil {
		return nil, f.Err
	}
	r := f.Record
	switch {
	case r.Ledger != p.head.Origin:
		return nil, fmt.Errorf("it is of the ledger %q, and the checkpoint of %q", record.Brief(r.Ledger), record.Brief(p.head.Origin))
	case r.Kind == record.KindRotate && i > 0:
		return f, nil
	case r.Kind != record.KindSession:
		return nil, fmt.Errorf("it is a %s", r.Kind)
	case f.Session == nil || f.Session.Hash != f.Hash:
		return nil, errors.New("no root key that is trusted signed it")
	}
	for _, s := range p.sessions {
		if s.ID == f.Session.ID {
			return nil, errors.New("it stands there twice")
		}
	}
	p.sessions = append(p.sessions, proofSession{f.Session, r})
	return f, nil
}

// open checks the record, which the first session signs.
func (p *parsedProof) open(proven *Proven) error {
	s := p.sessions[0]
	f := chain.Frame{Env: []byte(p.Record), Session: s.Session}
	if f.Open(&p.env); f.Err != nil {
		return f.Err
	}
	r := f.Record
	switch {
	case f.Signed:
	case len(p.env.Signatures) > 0:
		return record.Errorf(record.DamageUnknownKey, "its session did not sign it")
	case s.Signing != record.SignCheckpoints:
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	switch {
	case r.Ledger != p.head.Origin:
		return fmt.Errorf("it is of the ledger %q, and the checkpoint of %q", record.Brief(r.Ledger), record.Brief(p.head.Origin))
	case r.Writer != s.record.Writer || r.Seq <= s.record.Seq:
		return errors.New("it is not of the session")
	}
	if bad := s.Covers(r, uint64(p.Index)+1); bad != nil {
		return bad
	}
	proven.Record, proven.Subject, proven.Hash = r, f.Subject, f.Hash
	return nil
}

// checkHead checks the checkpoint, which the last session signs.
func (p *parsedProof) checkHead() error {
	s := p.sessions[len(p.sessions)-1]
	_, err := p.head.SignedBy([]*chain.Session{s.Session})
	switch {
	case errors.Is(err, chain.ErrNoSession):
		return record.Errorf(record.DamageUnknownKey, "the last session did not sign the checkpoint")
	case err != nil:
		return fmt.Errorf("the checkpoint: %w", err)
	case s.LastRecord != 0 && uint64(p.head.Size) > s.LastRecord:
		return record.Errorf(record.DamageExpiredKey,
			"the root key of the checkpoint's session is trusted up to record %d, and it covers %d", s.LastRecord, p.head.Size)
	}
	return nil
}

// disclose opens what is revealed.
func (p *parsedProof) disclose(proven *Proven) error {
	last := ""
	for _, encoded := range p.Disclosures {
		// Package base64 would ignore line breaks.
		if _, err := base64.RawURLEncoding.Strict().DecodeString(encoded); err != nil || bytes.ContainsAny([]byte(encoded), "\r\n") {
			return errors.New("a disclosure is not in base64url")
		}
		name, value, err := record.Disclosure{Encoded: encoded}.OpenIn(proven.Record)
		if err != nil {
			return err
		}
		if name <= last {
			return errors.New("the disclosures are not in order")
		}
		last = name
		if proven.Contents == nil {
			proven.Contents = make(map[string][]byte)
		}
		proven.Contents[name] = value
	}
	return nil
}

// agree compares the checkpoint with others of the same ledger.
func (p *parsedProof) agree(outside []*chain.Anchor) error {
	var sessions []*chain.Session
	for _, s := range p.sessions {
		sessions = append(sessions, s.Session)
	}
	for _, a := range outside {
		if a.Origin != p.head.Origin {
			return fmt.Errorf("%s is of the ledger %q", a.Name, record.Brief(a.Origin))
		}
		if _, err := a.SignedBy(sessions); err != nil && !errors.Is(err, chain.ErrNoSession) {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		if a.Size == p.head.Size && a.Root != p.head.Root {
			return record.Errorf(record.DamageRewritten, "%s covers %d records as well, and others", a.Name, a.Size)
		}
	}
	return nil
}
