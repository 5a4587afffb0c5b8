package evidence

import (
	"errors"
	"fmt"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// PredecessorOf describes the ledger in dir as the one that a new ledger succeeds
// because it cannot be continued: it is damaged, or its root key is lost. The
// first record of the new one then says what was found of the old one, its origin
// and the tree of all frames that are whole, and why it was given up; set
// Config.Predecessor to it. Nothing in dir is changed: keep it.
//
// No signature is checked. The error wraps [ErrNotLedger] where there is nothing
// to succeed, and a reason must be given, of at most 512 bytes.
func PredecessorOf(dir, reason string) (*record.Predecessor, error) {
	if reason == "" || reason != record.Clean(reason, record.MaxReason) {
		return nil, fmt.Errorf("evidence: predecessor %s: a reason of at most %d bytes is needed", dir, record.MaxReason)
	}
	p := record.Predecessor{Reason: reason}
	var tree tiles.Tree
	err := chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
		if f.Bad != nil {
			return true
		}
		tree.Append(f.Leaf)
		if f.Record != nil && p.Ledger == "" {
			p.Ledger = f.Record.Ledger
		}
		return true
	})
	if err == nil && p.Ledger == "" {
		err = errors.New("it holds no record")
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: predecessor %s: %w", dir, err)
	}
	p.Tree = record.TreeHead{Records: uint64(tree.Size()), Root: record.Hash(tree.Root())}
	return &p, nil
}
