package replica

import (
	"bytes"
	"crypto/ed25519"
	"maps"
	"slices"
	"time"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A history is what a replica knows of its ledger: what the next record must be,
// and where those stand that it has. A copy of one goes its own way; what they
// share is never changed, only replaced, unless one is alone.
type history struct {
	origin  string
	records uint64
	tree    tiles.Tree

	// The writer that the ledger is at.
	writer string
	span   span
	seq    uint64
	hash   record.Hash
	mono   time.Duration

	spans    map[string]span // of the writers that have ended
	keys     *chain.Keyring
	sessions chain.Sessions

	ahead []*chain.Anchor  // checkpoints of more records than there are, in order
	env   *record.Envelope // scratch
	alone bool             // no copy goes another way
}

// A span is where the records of one writer stand.
type span struct {
	first uint64 // index of the record with seq 1
	last  uint64 // seq, once the writer has ended
	gaps  []record.Gap
}

// index returns where the record with a seq stands, or the gap that declares it
// lost.
func (s span) index(seq uint64) uint64 {
	lost := uint64(0)
	for _, g := range s.gaps {
		if seq < g.From {
			break
		}
		if seq <= g.To {
			lost += seq - g.From
			break
		}
		lost += g.Count
	}
	return s.first + seq - 1 - lost
}

func newHistory(origin string, roots []chain.RootKey) history {
	return history{origin: origin, keys: chain.NewKeyring(origin, roots), env: new(record.Envelope)}
}

// A standing is how a record stands to those that are there.
type standing int

const (
	standsNext  standing = iota // it follows the last one
	standsThere                 // one with its number is there
	standsAhead                 // records before it are missing
	standsApart                 // it follows others than those that are there
)

// locate says how a record stands, by what it claims, and for one that is not
// next or ahead where the record is that stands in its place, or else contradicts
// it.
func (c *history) locate(r *record.Record) (standing, uint64) {
	if s, ended := c.spans[r.Writer]; ended {
		if r.Seq > s.last {
			return standsApart, s.index(s.last) + 1
		}
		return standsThere, s.index(r.Seq)
	}
	if r.Writer != c.writer {
		return c.locateWriter(r)
	}
	first := r.First()
	switch {
	case r.Seq <= c.seq:
		return standsThere, c.span.index(r.Seq)
	case first > c.seq+1:
		return standsAhead, 0
	case first < c.seq+1 || r.Prev != c.hash: // a gap that declares lost what is there, or another record before
		return standsApart, c.records - 1
	}
	return standsNext, 0
}

// locateWriter is locate for a writer that is not known.
func (c *history) locateWriter(r *record.Record) (standing, uint64) {
	if r.Seq != 1 {
		return standsAhead, 0
	}
	switch p := r.Session.Previous; {
	case p == nil && c.records == 0:
		return standsNext, 0
	case p == nil:
		return standsApart, 0
	case c.records > 0 && *p == record.Head{Hash: c.hash, Seq: c.seq, Writer: c.writer}:
		if *r.Session.Tree != (record.TreeHead{Records: c.records, Root: record.Hash(c.tree.Root())}) {
			return standsApart, c.records - 1
		}
		return standsNext, 0
	case p.Writer == c.writer && p.Seq <= c.seq:
		return standsApart, min(c.span.index(p.Seq)+1, c.records-1)
	}
	if s, ended := c.spans[r.Session.Previous.Writer]; ended {
		return standsApart, s.index(min(r.Session.Previous.Seq, s.last)) + 1
	}
	return standsAhead, 0
}

// verify checks the signatures of a record that is next, and what else decides
// whether it may stand there. A frame that has been opened with the session in
// force has its own checked already. The error is a *record.Error.
func (c *history) verify(f *chain.Frame) error {
	if f.Session == nil || f.Session != c.keys.Session {
		if f.Session = nil; c.keys.Session.Routine(f.Env) {
			f.Session = c.keys.Session
			if f.Open(c.env); f.Err != nil {
				return f.Err
			}
		} else if err := c.introduce(f); err != nil {
			return err
		}
	}
	return c.bounds(f.Record)
}

// introduce checks a record that a root key must have signed, and goes on to the
// session that it begins.
func (c *history) introduce(f *chain.Frame) error {
	ring := *c.keys
	if !c.alone {
		ring.Known, c.sessions = maps.Clone(ring.Known), slices.Clip(c.sessions)
	}
	ring.Records = c.records
	if ring.Open(f, f.Env); f.Err != nil {
		return f.Err
	}
	if f.Record.Kind == record.KindSession {
		c.sessions = append(c.sessions, chain.InForce{Session: ring.Session, First: c.records + 1})
	}
	c.keys = &ring
	return nil
}

// bounds checks the times of a record that is next, and the end of its session.
func (c *history) bounds(r *record.Record) error {
	if r.Writer == c.writer && r.Mono < c.mono {
		return record.Errorf(record.DamageInconsistent, "the monotonic clock steps back")
	}
	if bad := c.keys.Session.Covers(r, c.records+1); bad != nil {
		return bad
	}
	return nil
}

// advance goes on to a record that is next. The error is of a checkpoint that
// covers another one in its place.
func (c *history) advance(f *chain.Frame) error {
	tree := c.tree
	tree.Append(f.Leaf)
	for _, a := range c.ahead {
		if a.Size == tree.Size() && a.Root != tree.Root() {
			return &EquivocationError{Writer: f.Record.Writer, Seq: f.Record.Seq, Held: a.Note, Received: bytes.Clone(f.Env)}
		}
	}
	r := f.Record
	if r.Writer != c.writer {
		if c.writer != "" {
			if !c.alone {
				c.spans = maps.Clone(c.spans)
			}
			if c.spans == nil {
				c.spans = make(map[string]span)
			}
			c.span.last = c.seq
			c.spans[c.writer] = c.span
		}
		c.writer, c.span = r.Writer, span{first: c.records}
	}
	if r.Gap != nil {
		if !c.alone {
			c.span.gaps = slices.Clip(c.span.gaps)
		}
		c.span.gaps = append(c.span.gaps, *r.Gap)
	}
	c.tree, c.seq, c.hash, c.mono = tree, r.Seq, f.Hash, r.Mono
	c.records++
	return nil
}

// signedBefore checks that a key of this ledger signed a record that is not
// next: what nobody signed contradicts nobody. The error is a *record.Error.
func (c *history) signedBefore(f *chain.Frame) error {
	if err := c.env.Parse(f.Env); err != nil {
		return err
	}
	if len(c.env.Signatures) == 0 {
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	for _, sig := range c.env.Signatures {
		key := c.keys.Key(string(sig.KeyID))
		switch {
		case key == nil:
		case !ed25519.Verify(key, c.env.PAE, sig.Sig):
			return chain.ErrEdited
		default:
			return nil
		}
	}
	return record.Errorf(record.DamageUnknownKey, "no key of this ledger signed it")
}

// head returns where the ledger ends, nil where it is empty.
func (c *history) head() *record.Head {
	if c.records == 0 {
		return nil
	}
	return &record.Head{Hash: c.hash, Seq: c.seq, Writer: c.writer}
}

// signer checks that a session signed a checkpoint that was in force then, and whose
// root key was trusted so far. The error is a *record.Error or, where no session
// that is known signed it, errNoSession.
func (c *history) signer(a *chain.Anchor) error {
	s, err := c.sessions.Signer(a)
	if err != nil {
		return err
	}
	if s.LastRecord != 0 && uint64(a.Size) > s.LastRecord {
		return record.Errorf(record.DamageExpiredKey,
			"the root key of the session that signed %s is trusted up to record %d", a.Name, s.LastRecord)
	}
	return nil
}
