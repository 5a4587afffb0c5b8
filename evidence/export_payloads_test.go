package evidence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/evidence/record"
)

// A PayloadStore keeps contents.
type PayloadStore struct{ s *payloadStore }

// OpenPayloads opens the store of the ledger in dir.
func OpenPayloads(dir string, p Payloads) (*PayloadStore, error) {
	s, err := openPayloads(dir, p, payloadSpace{})
	return &PayloadStore{s}, ours(err)
}

// Break replaces what writes files. It must be called before anything is put.
func (p *PayloadStore) Break(write func(f *os.File, b []byte) (int, error)) { p.s.write = write }

// BreakSync replaces what makes a removal durable. It must be called before
// anything is erased.
func (p *PayloadStore) BreakSync(sync func(dir *os.Root) error) { p.s.sync = sync }

// ours says whose error it is, as the exported funcs do.
func ours(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("evidence: %w", err)
}

// These are the methods of the store.
func (p *PayloadStore) Put(d record.Disclosure)                      { p.s.put(d.Commitment(), d) }
func (p *PayloadStore) PutAs(commitment string, d record.Disclosure) { p.s.put(commitment, d) }
func (p *PayloadStore) Close(ctx context.Context) error              { return p.s.close(ctx) }
func (p *PayloadStore) Stats() (kept, dropped uint64, bytes int64) {
	return p.s.stats()
}
func (p *PayloadStore) Err() error { return ours(p.s.err()) }
func (p *PayloadStore) Erase(ctx context.Context, commitment string) (bool, error) {
	existed, err := p.s.erase(ctx, commitment)
	return existed, ours(err)
}

// Get reads what is on disk of a commitment. What is queued is not yet.
func (p *PayloadStore) Get(commitment string) (record.Disclosure, error) {
	return OpenPayload(filepath.Dir(p.s.dir), p.s.key, commitment)
}

// Flush waits until all that was put before is written or dropped: an erasure, of
// what was never there, comes after it, whether or not it succeeds.
func (p *PayloadStore) Flush(ctx context.Context) error {
	if _, err := p.s.erase(ctx, strings.Repeat("A", commitmentSize)); errors.Is(err, ErrClosed) {
		return err
	}
	return ctx.Err()
}

// Waiting returns the bytes that wait for the disk.
func (p *PayloadStore) Waiting() int {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.waiting
}

// SealPayload returns the file of a disclosure.
func SealPayload(key []byte, commitment string, d record.Disclosure) ([]byte, error) {
	_, b, err := sealPayload(nil, nil, key, commitment, d)
	return b, err
}

// SealText returns a file that holds text.
func SealText(key []byte, commitment string, text []byte) ([]byte, error) {
	aead, err := payloadCipher(key, commitment)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte(payloadHeader), nil, text, []byte(commitment)), nil
}

// UnsealPayload reads the content of a file.
func UnsealPayload(file, key []byte, commitment string) (record.Disclosure, error) {
	return unsealPayload(file, key, commitment)
}

// The bounds of the queue.
const (
	PayloadQueue  = payloadQueue
	PayloadMemory = payloadMemory
)

// ErasePayload removes a content where no Recorder keeps any.
func ErasePayload(dir, commitment string) error { return ours(erasePayload(dir, commitment)) }
