package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// Erase makes a content that can be disclosed one that no longer can: it removes
// its salt and value from the payload store, if they are there, and then records
// that this was done, why, and by whose authority. The commitment stays, so that
// the ledger verifies as before. Erase returns when the record is durable; where
// it cannot be had the content is gone all the same, the error wraps
// [ErrUnavailable], and Erase is to be called again.
//
// What Config.Disclose was given is not touched. Reason and authority are in the
// clear for as long as the ledger lives: at most 512 bytes each, and not the
// place for what is to be forgotten.
func (r *Recorder) Erase(ctx context.Context, commitment, reason, authority string) error {
	switch {
	case checkCommitment(commitment) != nil:
		return errors.New("evidence: erase: that is not a commitment, which is 43 characters of base64url")
	case reason == "" || authority == "":
		return errors.New("evidence: erase: there must be a reason and an authority")
	case reason != record.Clean(reason, record.MaxReason) || authority != record.Clean(authority, record.MaxReason):
		return fmt.Errorf("evidence: erase: reason and authority are UTF-8 of at most %d bytes", record.MaxReason)
	}
	if err := r.erase(ctx, commitment); err != nil {
		return fmt.Errorf("evidence: erase %s: %w", commitment, err)
	}
	statement := record.Erased{Authority: authority, Commitment: commitment, Reason: reason}
	done, err := r.queue.put(true, &event{kind: record.KindErased, body: statement}, nil)
	if err == nil {
		err = await(ctx, done)
	}
	if err != nil {
		return unavailable("erase", err)
	}
	return nil
}

func (r *Recorder) erase(ctx context.Context, commitment string) error {
	if r.payloads != nil {
		_, err := r.payloads.erase(ctx, commitment)
		return err
	}
	return erasePayload(r.writer.store.Dir(), commitment)
}

// erasePayload removes a content from the payload store of a ledger, if it has
// one.
func erasePayload(dir, commitment string) error {
	s := payloadStore{dir: filepath.Join(dir, payloadsName), sync: osfile.SyncRoot}
	if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, _, err := s.remove(commitment)
	return err
}
