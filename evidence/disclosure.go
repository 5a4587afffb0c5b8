package evidence

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Disclosure opens one commitment: it holds the content that the record does
// not. Its form is that of SD-JWT (RFC 9901): the commitment is the base64url of
// the SHA-256 of Encoded, which is the base64url of a JSON array of a salt, a
// name and a value. The salt is 16 random bytes of this content's own, so that
// nobody who lacks the Disclosure can try out values, however few there are.
//
// Whoever loses a Disclosure can never open the commitment again: that is how
// content is erased without touching the ledger.
type Disclosure struct {
	Record  string // the ID of the record
	Encoded string
}

// The names of contents, each in the member of a [Record] that is called so.
const (
	ContentInput  = "input"
	ContentRan    = "ran"
	ContentOutput = "output"
)

// Commitment returns the commitment that d opens, to compare with that of a
// [Content].
func (d Disclosure) Commitment() string { return commitment([]byte(d.Encoded)) }

// Open returns the name and the value, as JSON. FORMAT.md says what the value
// of each kind of call looks like. What d claims is proved only by its
// Commitment standing in a verified record.
func (d Disclosure) Open() (name string, value []byte, err error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(d.Encoded)
	if err != nil {
		return "", nil, fmt.Errorf("evidence: disclosure: %w", err)
	}
	var parts []jsontext.Value
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 3 {
		return "", nil, errors.New("evidence: disclosure: not an array of salt, name and value")
	}
	if err := json.Unmarshal(parts[1], &name); err != nil {
		return "", nil, errors.New("evidence: disclosure: the name is not a string")
	}
	return name, parts[2], nil
}

func commitment(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const saltSize = 16

// A committer makes commitments. It is not safe for concurrent use.
type committer struct {
	random  io.Reader // buffered: a system call serves many salts
	json    contentWriter
	encoded []byte

	// Of a content that is larger than a piece.
	snap     any
	disclose bool
	sum      hash.Hash
	text     strings.Builder
	size     contentWriter // counts
}

func newCommitter() *committer {
	c := &committer{random: bufio.NewReaderSize(rand.Reader, 1024), sum: sha256.New()}
	c.json.pass, c.size.pass = c.pass, func(w *contentWriter) { w.passed, w.b = w.count(), w.b[:0] }
	return c
}

// commit commits to the snapshot of a content. Where it is to be disclosed it
// returns the encoded Disclosure too.
func (c *committer) commit(name string, snap any, disclose bool) (_ Content, disclosure string) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(c.random, salt[:]); err != nil {
		panic("evidence: " + err.Error()) // crypto/rand does not fail
	}
	w := &c.json
	w.b, w.passed, w.over = append(w.b[:0], '[', '"'), 0, false
	w.b = base64.RawURLEncoding.AppendEncode(w.b, salt[:])
	w.add(`","`)
	w.add(name)
	w.add(`",`)
	c.snap, c.disclose = snap, disclose
	size := w.content(snap)
	c.snap = nil
	if w.over {
		return c.commit(name, tooLarge(snap, size), disclose)
	}
	w.add("]")
	out := Content{Size: int64(size)}
	if w.passed == 0 {
		c.encoded = base64.RawURLEncoding.AppendEncode(c.encoded[:0], w.b)
		out.Commitment = commitment(c.encoded)
		if disclose {
			disclosure = string(c.encoded)
		}
	} else {
		c.encode(w.b)
		var sum Hash
		out.Commitment = base64.RawURLEncoding.EncodeToString(c.sum.Sum(sum[:0]))
		disclosure = c.text.String()
		c.text.Reset()
	}
	w.b, c.encoded = keep(w.b), keep(c.encoded)
	return out, disclosure
}

// pass encodes a piece of a content that is larger than one. Before the first it
// is seen how large the content is.
func (c *committer) pass(w *contentWriter) {
	if w.passed == 0 {
		c.size.b, c.size.passed = c.size.b[:0], 0
		c.size.content(c.snap)
		n := c.size.count()
		c.size.b = keep(c.size.b)
		if w.over = n > maxContent; w.over {
			return
		}
		c.sum.Reset()
		if c.disclose {
			c.text.Grow(base64.RawURLEncoding.EncodedLen(saltSize) + base64.RawURLEncoding.EncodedLen(n+64))
		}
	}
	whole := len(w.b) / 3 * 3 // groups of base64
	c.encode(w.b[:whole])
	w.passed += whole
	w.b = w.b[:copy(w.b, w.b[whole:])]
}

func (c *committer) encode(b []byte) {
	c.encoded = base64.RawURLEncoding.AppendEncode(c.encoded[:0], b)
	c.sum.Write(c.encoded)
	if c.disclose {
		c.text.Write(c.encoded)
	}
}

// keep returns b for reuse unless one large content made it too large to hold
// on to.
func keep(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b
}
