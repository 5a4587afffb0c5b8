package evidence

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

// An anchor is a checkpoint that the ledger is compared with.
type anchor struct {
	tiles.Checkpoint
	note []byte
	name string
	own  bool // it is the ledger's, which can be newer than those from elsewhere, and as old as the ledger is
}

// parseAnchor parses a checkpoint and looks at no signature.
func parseAnchor(signed []byte, name string) (*anchor, error) {
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
	return &anchor{Checkpoint: cp, note: signed, name: name}, nil
}

// maxCheckpoint bounds a checkpoint, in bytes: far more than its own signature
// and those of witnesses take.
const maxCheckpoint = 128 << 10

// signedBy returns which of some sessions signed the checkpoint. The error is
// errNoSession where none did; any other is of a signature that is wrong: all else
// was parsed before.
func (a *anchor) signedBy(sessions []*session) (*session, error) {
	keys := make([]ed25519.PublicKey, 0, len(sessions))
	for _, s := range sessions {
		keys = append(keys, s.key)
	}
	_, key, err := tiles.Open(a.note, keys...)
	if errors.Is(err, tiles.ErrUnknownKey) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	return sessions[slices.IndexFunc(sessions, func(s *session) bool { return s.key.Equal(key) })], nil
}

var errNoSession = errors.New("no session that is known signed it")

// A reign is a session and the number of the first record of it.
type reign struct {
	session *session
	first   uint64
}

// The reigns of a ledger are its sessions in order.
type reigns []reign

// signer returns the session that signed a checkpoint, if it was in force when the
// ledger had as many records as that covers: the checkpoint may come before or with
// the record that ends the session. A key that was stolen later signs no more than
// its own time. The error is errNoSession or a *record.Error.
func (rs reigns) signer(a *anchor) (*session, error) {
	sessions := make([]*session, 0, len(rs))
	for _, r := range rs {
		sessions = append(sessions, r.session)
	}
	by, err := a.signedBy(sessions)
	switch {
	case errors.Is(err, errNoSession):
		return nil, err
	case err != nil:
		return nil, record.Errorf(record.DamageEdited, "the signature of %s is not of its text", a.name)
	}
	n := uint64(a.Size)
	for i, r := range slices.Backward(rs) {
		if r.session.key.Equal(by.key) && r.first <= n && (i+1 == len(rs) || n <= rs[i+1].first) {
			return r.session, nil
		}
	}
	return nil, record.Errorf(record.DamageExpiredKey, "the session that signed %s does not reach record %d", a.name, a.Size)
}

var errNoCheckpoint = errors.New("it has no checkpoint: the writer signs one about a second after a record, and when it is closed")

// readCheckpoint reads the ledger's own checkpoint. The error wraps errNoCheckpoint
// where it has none.
func readCheckpoint(dir string) ([]byte, error) {
	data, err := readSigned(filepath.Join(dir, segment.CheckpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoCheckpoint
	}
	return data, err
}

// readSigned reads the file of a checkpoint. One that is too long is cut, and
// then is none. Errors name the file without its directory.
func readSigned(path string) ([]byte, error) {
	f, _, err := osfile.OpenRegular(path, true)
	if errors.Is(err, osfile.ErrNotRegular) {
		err = fmt.Errorf("%w: move away what is in its place", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), osfile.WithoutPath(err))
	}
	return data, nil
}
