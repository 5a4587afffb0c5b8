package evidence

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

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
	plain   []byte
	encoded []byte
}

func newCommitter() *committer {
	return &committer{random: bufio.NewReaderSize(rand.Reader, 1024)}
}

// commit commits to the snapshot of a content. The disclosure is valid until
// the next call.
func (c *committer) commit(name string, snap any) (Content, []byte) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(c.random, salt[:]); err != nil {
		panic("evidence: " + err.Error()) // crypto/rand does not fail
	}
	b := append(c.plain[:0], '[', '"')
	b = base64.RawURLEncoding.AppendEncode(b, salt[:])
	b = append(b, `","`...)
	b = append(b, name...)
	b = append(b, `",`...)
	b, size := appendContent(b, snap)
	b = append(b, ']')
	encoded := base64.RawURLEncoding.AppendEncode(c.encoded[:0], b)
	out := Content{Commitment: commitment(encoded), Size: size}
	c.plain, c.encoded = keep(b), keep(encoded)
	return out, encoded
}

// keep returns b for reuse unless one large content made it too large to hold
// on to.
func keep(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b
}
