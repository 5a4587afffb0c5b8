package evidence

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"

	"example.com/safeconduct/evidence/record"
)

// Rotate hands the ledger over to another root key: a record that both keys sign
// says so, and a session that the next one signs begins. It returns when both
// are durable, or ctx ends; the records may then still come to be. From then on
// the ledger is continued with the next key, and whoever verifies it must trust
// both. After an error it can be called again with the same key, to wait for what
// is under way.
//
// A next key that does not sign, or is the one in force, is refused. The error
// wraps [ErrUnavailable] where the records cannot be written.
func (r *Recorder) Rotate(ctx context.Context, next crypto.Signer) error {
	pub, err := tryRoot(next)
	if err != nil {
		return fmt.Errorf("evidence: rotate: %w", err)
	}
	r.rotating.Lock()
	defer r.rotating.Unlock()
	a, b := &event{kind: record.KindRotate, body: handover{next}}, &event{kind: record.KindSession, body: record.Session{}}
	if pub.Equal(r.lastRoot) {
		if pub.Equal(r.PublicKey()) {
			return errors.New("evidence: rotate: that is the key in force")
		}
		// It was asked for before, and nobody heard what came of it. A second
		// rotation to the same key would be none, but another session is
		// durable only after the first.
		a, b = b, nil
	}
	done, err := r.queue.put(true, a, b)
	if err == nil {
		r.lastRoot = pub
		err = await(ctx, done)
	}
	if err != nil {
		return unavailable("rotate", err)
	}
	r.root.Store(&pub)
	if key, err := cursorKey(next, r.Ledger()); err == nil { // else the exporters begin anew at the next opening
		for _, x := range r.shippers {
			x.SetKey(key)
		}
	}
	return nil
}

// A handover is the event of one root key's handing over to the next.
type handover struct{ next crypto.Signer }

// tryRoot has a root key sign what is no record, to see whether it can.
func tryRoot(key crypto.Signer) (pub ed25519.PublicKey, err error) {
	if pub, err = rootOf(key); err == nil {
		_, err = signWith(key, pub, []byte("safeconduct: a key that can sign this can sign"))
	}
	return pub, err
}

// await waits until what was put is durable.
func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func unavailable(what string, err error) error {
	return fmt.Errorf("evidence: %s: %w: %w", what, ErrUnavailable, err)
}
