package chain

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// An Anchor is a checkpoint that the ledger is compared with.
type Anchor struct {
	tiles.Checkpoint
	Note []byte // the signed checkpoint
	Name string // that errors call it by
	Own  bool   // it is the ledger's, which can be newer than those from elsewhere, and as old as the ledger is
}

// ParseAnchor parses a checkpoint and looks at no signature.
func ParseAnchor(signed []byte, name string) (*Anchor, error) {
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return nil, errors.New("not a signed note")
	}
	cp, err := tiles.ParseCheckpoint(string(text) + "\n")
	if err != nil {
		return nil, err
	}
	if _, _, err := tiles.Open(signed); !errors.Is(err, tiles.ErrUnknownKey) {
		return nil, err // there is no key that it could know
	}
	return &Anchor{Checkpoint: cp, Note: signed, Name: name}, nil
}

// MaxCheckpoint bounds a checkpoint, in bytes: far more than its own signature
// and those of witnesses take.
const MaxCheckpoint = 128 << 10

// SignedBy returns which of some sessions signed the checkpoint. The error is
// [ErrNoSession] where none did; any other is of a signature that is wrong: all else
// was parsed before.
func (a *Anchor) SignedBy(sessions []*Session) (*Session, error) {
	keys := make([]ed25519.PublicKey, 0, len(sessions))
	for _, s := range sessions {
		keys = append(keys, s.Key)
	}
	_, key, err := tiles.Open(a.Note, keys...)
	if errors.Is(err, tiles.ErrUnknownKey) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	return sessions[slices.IndexFunc(sessions, func(s *Session) bool { return s.Key.Equal(key) })], nil
}

// ErrNoSession means that no session of those that are known signed a checkpoint.
var ErrNoSession = errors.New("no session that is known signed it")

// InForce is a session and the number of the first record that it was in force for.
type InForce struct {
	Session *Session
	First   uint64
}

// Sessions are those of a ledger, in order.
type Sessions []InForce

// Signer returns the session that signed a checkpoint, if it was in force when the
// ledger had as many records as that covers: the checkpoint may come before or with
// the record that ends the session. A key that was stolen later signs no more than
// its own time. The error is ErrNoSession or a *record.Error.
func (ss Sessions) Signer(a *Anchor) (*Session, error) {
	sessions := make([]*Session, 0, len(ss))
	for _, r := range ss {
		sessions = append(sessions, r.Session)
	}
	by, err := a.SignedBy(sessions)
	switch {
	case errors.Is(err, ErrNoSession):
		return nil, err
	case err != nil:
		return nil, record.Errorf(record.DamageEdited, "the signature of %s is not of its text", a.Name)
	}
	n := uint64(a.Size)
	for i, r := range slices.Backward(ss) {
		if r.Session.Key.Equal(by.Key) && r.First <= n && (i+1 == len(ss) || n <= ss[i+1].First) {
			return r.Session, nil
		}
	}
	return nil, record.Errorf(record.DamageExpiredKey, "the session that signed %s does not reach record %d", a.Name, a.Size)
}

// ErrNoCheckpoint means that a ledger has no checkpoint.
var ErrNoCheckpoint = errors.New("it has no checkpoint: the writer signs one about a second after a record, and when it is closed")

// ReadCheckpoint reads the ledger's own checkpoint. The error wraps [ErrNoCheckpoint]
// where it has none.
func ReadCheckpoint(dir string) ([]byte, error) {
	data, err := ReadSigned(filepath.Join(dir, segment.CheckpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoCheckpoint
	}
	return data, err
}

// ReadSigned reads the file of a checkpoint. One that is too long is cut, and
// then is none. Errors name the file without its directory.
func ReadSigned(path string) ([]byte, error) {
	f, _, err := osfile.OpenRegular(path, true)
	if errors.Is(err, osfile.ErrNotRegular) {
		err = fmt.Errorf("%w: move away what is in its place", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, MaxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), osfile.WithoutPath(err))
	}
	return data, nil
}
