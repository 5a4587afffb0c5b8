package evidence

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"io"
	"strings"

	"example.com/safeconduct/evidence/record"
)

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
	c.json.onPiece, c.size.onPiece = c.encodePiece, func(w *contentWriter) { w.passed, w.b = w.count(), w.b[:0] }
	return c
}

// commit commits to the snapshot of a content. Where it is to be disclosed it
// returns the encoded Disclosure too.
func (c *committer) commit(name string, snap any, disclose bool) (_ record.Content, disclosure string) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(c.random, salt[:]); err != nil {
		panic("evidence: " + err.Error()) // crypto/rand does not fail
	}
	w := &c.json
	w.b, w.passed, w.discard = append(w.b[:0], '[', '"'), 0, false
	w.b = base64.RawURLEncoding.AppendEncode(w.b, salt[:])
	w.add(`","`)
	w.add(name)
	w.add(`",`)
	c.snap, c.disclose = snap, disclose
	size := w.content(snap)
	c.snap = nil
	if w.discard {
		return c.commit(name, tooLarge(snap, size), disclose)
	}
	w.add("]")
	out := record.Content{Size: int64(size)}
	if w.passed == 0 {
		c.encoded = base64.RawURLEncoding.AppendEncode(c.encoded[:0], w.b)
		sum := record.Hash(sha256.Sum256(c.encoded))
		out.Commitment = base64.RawURLEncoding.EncodeToString(sum[:])
		if disclose {
			disclosure = string(c.encoded)
		}
	} else {
		c.encode(w.b)
		var sum record.Hash
		out.Commitment = base64.RawURLEncoding.EncodeToString(c.sum.Sum(sum[:0]))
		disclosure = c.text.String()
		c.text.Reset()
	}
	w.b, c.encoded = reusable(w.b), reusable(c.encoded)
	return out, disclosure
}

// encodePiece encodes a piece of a content that is larger than one. Before the
// first it is seen how large the content is.
func (c *committer) encodePiece(w *contentWriter) {
	if w.passed == 0 {
		c.size.b, c.size.passed = c.size.b[:0], 0
		c.size.content(c.snap)
		n := c.size.count()
		c.size.b = reusable(c.size.b)
		if w.discard = n > maxContent; w.discard {
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

// reusable returns b for reuse unless one large content made it too large to hold
// on to.
func reusable(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b
}
