package tiles

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxOrigin = 255
	// maxNote holds the 16 signatures that every reader must take, at the 5 kB
	// that a post-quantum one may have.
	maxNote = 128 << 10
)

var errKeyLength = errors.New("tiles: checkpoint: not an Ed25519 key")

// ErrUnknownKey means that none of the keys that were given signed a checkpoint.
var ErrUnknownKey = errors.New("tiles: checkpoint: no signature of a known key")

// A Checkpoint is the state of a log: how many leaves, and the root over them.
// Signed, it looks like this:
//
//	example.com/behind-the-sofa
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
type Checkpoint struct {
	Origin string // names the log: at most 255 bytes, without spaces, plus signs or control characters
	Size   int64
	Root   Hash
}

// Text returns the three lines that are signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// ParseCheckpoint parses what Text returns, and nothing else. Extension lines
// are refused: the checkpoints of these logs have none, and the cosignatures of
// witnesses need not cover them.
func ParseCheckpoint(text string) (Checkpoint, error) {
	if len(text) > maxOrigin+64+len("9223372036854775807\n") {
		return Checkpoint{}, errors.New("tiles: checkpoint: too long")
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, errors.New("tiles: checkpoint: not three lines")
	}
	c := Checkpoint{Origin: lines[0]}
	if err := checkOrigin(c.Origin); err != nil {
		return Checkpoint{}, err
	}
	var err error
	if c.Size, err = parseDecimal(lines[1]); err != nil || c.Size > MaxSize {
		return Checkpoint{}, errors.New("tiles: checkpoint: malformed size")
	}
	if c.Root, err = parseHash(lines[2]); err != nil {
		return Checkpoint{}, errors.New("tiles: checkpoint: malformed root")
	}
	if c.Size == 0 && c.Root != emptyRoot() {
		return Checkpoint{}, errors.New("tiles: checkpoint: not the root of an empty log")
	}
	return c, nil
}

// checkOrigin checks an origin, which is a line of a note and the name of a key.
func checkOrigin(origin string) error {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }
	if origin == "" || len(origin) > maxOrigin || !utf8.ValidString(origin) || strings.ContainsFunc(origin, bad) {
		return errors.New("tiles: checkpoint: malformed origin")
	}
	return nil
}

// parseDecimal parses a number that is not negative, in its one form.
func parseDecimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (n < 0 || s != strconv.FormatInt(n, 10)) {
		err = strconv.ErrSyntax
	}
	return n, err
}

// parseHash parses a hash, in its one form.
func parseHash(s string) (h Hash, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	// The decoder skips carriage returns and newlines.
	if err == nil && (len(b) != tlog.HashSize || len(s) != base64.StdEncoding.EncodedLen(tlog.HashSize)) {
		err = strconv.ErrSyntax
	}
	if err != nil {
		return h, err
	}
	return Hash(b), nil
}

// Sign returns the checkpoint as a signed note. The signer is given the text and
// returns the Ed25519 signature of it by the key that pub is the public half of,
// which is checked; the name of the key is the origin.
func Sign(c Checkpoint, pub ed25519.PublicKey, signer func(msg []byte) ([]byte, error)) ([]byte, error) {
	if _, err := ParseCheckpoint(c.Text()); err != nil {
		return nil, err
	}
	if len(pub) != ed25519.PublicKeySize {
		return nil, errKeyLength
	}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, noteSigner{
		keyMatch{ring: &keyring{name: c.Origin}, id: keyID(c.Origin, pub), keys: []ed25519.PublicKey{pub}}, signer,
	})
	if err != nil {
		return nil, fmt.Errorf("tiles: checkpoint: %w", err)
	}
	return signed, nil
}

type noteSigner struct {
	keyMatch
	sign func([]byte) ([]byte, error)
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) {
	sig, err := s.sign(msg)
	if err == nil && !s.Verify(msg, sig) {
		err = errors.New("the signer's signature does not verify")
	}
	return sig, err
}

// Open returns the checkpoint of a signed note and which of the keys signed it,
// the first where several did. The name of the key in the note must be the
// origin; whether that is the log that was asked for is the caller's to say.
// Signatures of other keys are ignored, and where there are only such the error
// wraps [ErrUnknownKey]. A signature that claims to be of one of the keys and is
// not fails the note.
func Open(signed []byte, keys ...ed25519.PublicKey) (Checkpoint, ed25519.PublicKey, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, nil, errors.New("tiles: checkpoint: too long")
	}
	// The text is everything before the last empty line, and has no other.
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, nil, errors.New("tiles: checkpoint: no signature")
	}
	c, err := ParseCheckpoint(string(text) + "\n")
	if err != nil {
		return Checkpoint{}, nil, err
	}
	for _, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return Checkpoint{}, nil, errKeyLength
		}
	}
	ring := &keyring{name: c.Origin, keys: keys}
	n, err := note.Open(signed, ring)
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return Checkpoint{}, nil, ErrUnknownKey
	case err != nil:
		return Checkpoint{}, nil, fmt.Errorf("tiles: checkpoint: %w", err)
	case n.Text != c.Text():
		return Checkpoint{}, nil, errors.New("tiles: checkpoint: not three lines")
	}
	for _, sig := range n.Sigs {
		// Package note takes several texts for the same signature.
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, nil, errors.New("tiles: checkpoint: malformed signature")
		}
	}
	return c, ring.signed, nil
}

// A keyring holds the keys that may sign under a name, and which of them did first.
type keyring struct {
	name   string
	keys   []ed25519.PublicKey
	signed ed25519.PublicKey
}

// Verifier implements [note.Verifiers]. Unlike [note.VerifierList] it takes keys
// that are given twice, or that share an id.
func (k *keyring) Verifier(name string, id uint32) (note.Verifier, error) {
	m := keyMatch{ring: k, id: id}
	if name == k.name {
		for _, key := range k.keys {
			if keyID(k.name, key) == id {
				m.keys = append(m.keys, key)
			}
		}
	}
	if len(m.keys) == 0 {
		return nil, &note.UnknownVerifierError{Name: name, KeyHash: id}
	}
	return m, nil
}

// keyID returns the four bytes by which a signature names a key: those of
// SHA-256(name || 0x0A || 0x01 || key), where 0x01 stands for Ed25519.
func keyID(name string, key ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append(append([]byte(name), "\n\x01"...), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// A keyMatch holds the keys that a signature may be of, by its key ID.
type keyMatch struct {
	ring *keyring
	id   uint32
	keys []ed25519.PublicKey
}

func (m keyMatch) Name() string    { return m.ring.name }
func (m keyMatch) KeyHash() uint32 { return m.id }

func (m keyMatch) Verify(msg, sig []byte) bool {
	for _, key := range m.keys {
		if ed25519.Verify(key, msg, sig) {
			if m.ring.signed == nil {
				m.ring.signed = key
			}
			return true
		}
	}
	return false
}

// VerifierKey returns the key of a log as tools take it, a line of text: the name of
// the log, which is its origin, a hash, and the key.
func VerifierKey(name string, pub ed25519.PublicKey) (string, error) {
	if err := checkOrigin(name); err != nil {
		return "", err
	}
	if len(pub) != ed25519.PublicKeySize {
		return "", errKeyLength
	}
	return note.NewEd25519VerifierKey(name, pub)
}
