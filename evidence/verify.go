package evidence

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

var (
	// ErrNotLedger means that a directory is not a ledger.
	ErrNotLedger = segment.ErrNotLedger

	// ErrEmpty means that a ledger holds no record yet, and nothing says that it
	// ever did: its first writer came no further, or nothing was received.
	ErrEmpty = errors.New("holds no record yet")

	// ErrVersion means that a ledger is of a version that this package does
	// not know.
	ErrVersion = segment.ErrVersion
)

// VerifyOptions say what a ledger is checked against. There must be a key or a
// policy: nothing in a ledger makes a key trusted.
type VerifyOptions struct {
	// Keys are root keys to trust without bounds.
	Keys []ed25519.PublicKey

	// Policy says which other root keys to trust, for which ledger and how
	// long, if it is not nil. It must name the ledger.
	Policy *trust.Policy

	// Ledger is the origin that the ledger must have. If it is empty, any
	// will do, so long as all records have the same. Whoever can replace a
	// ledger as a whole can replace it by another one that the same keys
	// signed: this tells.
	Ledger string

	// Checkpoints are signed checkpoints of this ledger, of any age, that were
	// kept where whoever holds the ledger could not change them. They show
	// what nothing in the ledger can: that its end is missing, or that it was
	// written again by somebody who has the key.
	Checkpoints [][]byte

	// Progress is called about ten times a second, and at the end, if it is
	// not nil. Verify waits for it.
	Progress func(Progress)
}

// Progress is how far [Verify] has come.
type Progress struct {
	Records      uint64 // frames, good or bad
	Bytes, Total int64  // of the segments
}

// check refuses options that trust nobody, and parses the checkpoints from
// elsewhere.
func (o *VerifyOptions) check() (outside []*chain.Anchor, err error) {
	for _, key := range o.Keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("a key is not an Ed25519 public key")
		}
	}
	if len(o.Keys) == 0 && o.Policy == nil {
		return nil, errors.New("no key to trust was given, and no policy")
	}
	for i, signed := range o.Checkpoints {
		a, err := chain.ParseAnchor(signed, fmt.Sprintf("checkpoint %d of those given", i+1))
		if err != nil {
			return nil, &CheckpointError{i, err}
		}
		outside = append(outside, a)
	}
	return outside, nil
}

// A CheckpointError reports that one of VerifyOptions.Checkpoints is not one.
type CheckpointError struct {
	Index int // from 0
	Err   error
}

// Error says which one, and why.
func (e *CheckpointError) Error() string { return fmt.Sprintf("checkpoint %d: %v", e.Index+1, e.Err) }

// Unwrap returns Err.
func (e *CheckpointError) Unwrap() error { return e.Err }

// Verify checks all of the ledger in dir: its segments and frames, who signed each
// record and when, the order of the records, what they say, its Merkle tree, tiles
// and checkpoint, and the checkpoints of the options. See "Verifying a ledger" in the package doc.
//
// A damage is no error: it stands in the [Report], the first by its place and all by
// their number. An error means that the ledger could not be checked: no key was given,
// the policy does not name the ledger, a checkpoint of the options is not one
// ([*CheckpointError]), dir is not a ledger ([ErrNotLedger]) or not readable, it holds
// no record yet ([ErrEmpty]), or it was written by another version ([ErrVersion]).
func Verify(dir string, opts VerifyOptions) (*Report, error) {
	outside, err := opts.check()
	if err != nil {
		return nil, fmt.Errorf("evidence: verify: %w", err)
	}
	v := verification{dir: dir, opts: &opts, outside: outside, total: ledgerBytes(dir)}
	if err := v.run(); err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	return v.checker.report, nil
}

// A verification is one call of Verify.
type verification struct {
	dir        string
	opts       *VerifyOptions
	outside    []*chain.Anchor
	checker    *checker
	torn       *chain.Frame // an incomplete frame, until another one comes
	shown      time.Time
	tile       string // the first that is wrong
	wrongTiles uint64
	total      int64
	progress   Progress
}

func (v *verification) run() error {
	ns, err := segment.List(v.dir)
	if err != nil {
		return err
	}
	v.checker = newChecker(v.opts.Ledger, tiles.NewWriter(v.dir, tiles.Options{Pass: tiles.Check, Wrong: v.wrongTile}))
	v.checker.tree.expect(v.outside...)
	if err := v.checker.tree.expectOwn(v.dir); err != nil {
		return err
	}
	if len(ns) == 0 && v.checker.isEmpty() {
		return ErrEmpty
	}
	origin, err := v.origin()
	if err != nil {
		return err
	}
	roots, err := chain.RootKeys(v.opts.Keys, v.opts.Policy, origin)
	if err != nil {
		return err
	}
	var failed error
	keys := chain.NewKeyring(origin, roots)
	err = chain.Scan(v.dir, keys, func(f *chain.Frame, read int64) bool {
		if torn := v.torn; torn != nil { // it was not the end
			v.torn, failed = nil, v.checker.frame(torn)
		}
		switch {
		case failed != nil:
		case f.Bad != nil && f.Bad.Torn:
			v.torn = &chain.Frame{At: f.At, Bad: f.Bad}
		default:
			failed = v.checker.frame(f)
		}
		v.showProgress(read, false)
		return failed == nil
	})
	if err == nil && len(ns) == 1 && v.checker.isEmpty() {
		return ErrEmpty
	}
	if err == nil && v.torn != nil && !v.isGrowing() {
		failed = v.checker.frame(v.torn)
	}
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if err := errors.Join(v.checker.finish(), v.checker.tree.lastTile()); err != nil {
		return err
	}
	v.reportTiles()
	v.showProgress(max(v.total, v.progress.Bytes), true)
	return errors.Join(v.countSegments(), v.judgeOverflow(keys))
}

// isGrowing reports whether somebody writes the ledger. An incomplete frame at
// its end is then a write under way.
func (v *verification) isGrowing() bool {
	if ledgerBytes(v.dir) != v.total {
		return true
	}
	time.Sleep(growEvery) // a writer may have been interrupted in the middle
	return ledgerBytes(v.dir) != v.total
}

// growEvery is how long grows waits: more than a write takes.
const growEvery = 20 * time.Millisecond

// origin returns the origin that the ledger must have or, where any will do, the
// one that it claims: empty where no record can be read.
func (v *verification) origin() (origin string, err error) {
	if v.opts.Ledger != "" {
		return v.opts.Ledger, nil
	}
	var e record.Envelope
	err = segment.Walk(v.dir, func(_ segment.Place, env []byte, bad error) bool { // scan would read ahead
		f := chain.Frame{Env: env}
		if bad != nil {
			return true
		}
		if f.Open(&e); f.Record != nil {
			origin = f.Record.Ledger
		}
		return origin == ""
	}, nil)
	return origin, err
}

func (v *verification) wrongTile(path string) {
	if v.wrongTiles++; v.wrongTiles == 1 {
		v.tile = path
	}
}

// reportTiles adds to the report what is wrong with tiles, which comes last: they
// are derived.
func (v *verification) reportTiles() {
	if v.wrongTiles > 0 {
		v.checker.found(nil, record.DamageTile, "%s is not the tile of these records", v.tile)
		v.checker.report.Damage[record.DamageTile] = v.wrongTiles
	}
}

// showProgress calls Progress where it is time.
func (v *verification) showProgress(read int64, end bool) {
	if v.opts.Progress == nil || !end && v.checker.index%chain.ScanFrames != 0 {
		return
	}
	now := time.Now()
	if !end && now.Sub(v.shown) < 100*time.Millisecond {
		return
	}
	v.shown = now
	v.progress = Progress{Records: v.checker.index, Bytes: read, Total: max(v.total, read)}
	v.opts.Progress(v.progress)
}

// ledgerBytes returns how many bytes the segments have, as far as that can be
// said.
func ledgerBytes(dir string) (n int64) {
	ns, err := segment.List(dir)
	if err != nil {
		return 0
	}
	for _, i := range ns {
		if info, err := os.Stat(segment.Path(dir, i)); err == nil {
			n += info.Size()
		}
	}
	return n
}

// countSegments adds to the report what stands beside the records.
func (v *verification) countSegments() error {
	r := v.checker.report
	ns, err := segment.List(v.dir)
	if err != nil {
		return err
	}
	r.Segments, r.Bytes = len(ns), ledgerBytes(v.dir)
	if n := segment.Missing(ns); n != 0 {
		v.checker.found(nil, record.DamageRemoved, "segment %d is missing", n)
	}
	return nil
}

// judgeOverflow says what the next Open does about the overflow file in the
// ledger, unless a writer was seen to be at work: then it does.
func (v *verification) judgeOverflow(ring *chain.Keyring) error {
	c, r := v.checker, v.checker.report
	info, err := os.Stat(filepath.Join(v.dir, segment.OverflowName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Overflow = info.Size()
	if c.writers.head.Writer == "" || r.Bytes != v.total {
		return nil
	}
	after := overflowReader{
		ledger: r.Ledger, head: c.writers.head,
		open: func(f *chain.Frame) { ring.Open(f, f.Env) },
	}
	s, err := after.read(v.dir)
	if err != nil {
		return err
	}
	r.Waiting, r.Astray = s.records, s.astray
	if s.missing > 0 {
		c.found(nil, record.DamageRemoved,
			"%s goes on %d records after the end of the segments: these were cut", segment.OverflowName, s.missing)
	}
	return nil
}
