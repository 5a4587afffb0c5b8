package record

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

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
func (d Disclosure) Commitment() string {
	sum := sha256.Sum256([]byte(d.Encoded))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Open returns the name and the value, as JSON. FORMAT.md says what the value
// of each kind of call looks like. What d claims is proved only by its
// Commitment standing in a verified record.
func (d Disclosure) Open() (name string, value []byte, err error) {
	if name, value, err = d.open(); err != nil {
		return "", nil, fmt.Errorf("record: disclosure: %w", err)
	}
	return name, value, nil
}

func (d Disclosure) open() (name string, value []byte, err error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(d.Encoded)
	if err != nil {
		return "", nil, err
	}
	var parts []jsontext.Value
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 3 {
		return "", nil, errors.New("not an array of salt, name and value")
	}
	if err := json.Unmarshal(parts[1], &name); err != nil {
		return "", nil, errors.New("the name is not a string")
	}
	return name, parts[2], nil
}

// Content returns a content by its name, nil where the record has none of that name.
func (r *Record) Content(name string) *Content {
	switch name {
	case ContentInput:
		return r.Input
	case ContentRan:
		return r.Ran
	case ContentOutput:
		return r.Output
	}
	return nil
}

// OpenIn returns what [Disclosure.Open] does, if d opens a commitment of the record.
// It does not look at d.Record.
func (d Disclosure) OpenIn(r *Record) (name string, value []byte, err error) {
	name, value, err = d.open()
	if err != nil {
		return "", nil, fmt.Errorf("disclosure: %w", err)
	}
	c := r.Content(name)
	if c == nil {
		return "", nil, fmt.Errorf("a disclosure is of %q, which the record does not have", Brief(name))
	}
	if c.Commitment != d.Commitment() {
		return "", nil, fmt.Errorf("a disclosure of %q does not open the commitment of the record", Brief(name))
	}
	return name, value, nil
}
