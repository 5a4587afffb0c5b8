package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// An overflowContents is what an overflow file holds that the segments do not.
type overflowContents struct {
	frames      []byte // those that follow and that a signature covers
	records     uint64 // how many these are
	astray      uint64 // other whole frames: none follows, or no signature covers them
	missing     uint64 // records that are missing between the segments and the first one, which is signed
	otherLedger string // the ledger that the first one is of, where it is another one
}

// An overflowReader reads an overflow file that goes on from a head.
type overflowReader struct {
	ledger string
	head   record.Head
	open   func(f *chain.Frame) // and checks its signature, if it has one

	contents overflowContents
	ended    bool        // nothing that comes follows
	hasPrev  bool        // prev is of a record
	prev     record.Hash // of the last one
	waiting  []byte      // frames that no signature covers yet
	count    uint64      // how many these are, the ones that the segments have included
	newCount uint64      // and without them
	missing  uint64      // before them
}

// read reads the overflow file in dir, if there is one.
func (s *overflowReader) read(dir string) (overflowContents, error) {
	err := walkOverflow(dir, func(env []byte) bool {
		s.take(env)
		return true
	})
	s.contents.astray += s.count
	return s.contents, err
}

func (s *overflowReader) take(env []byte) {
	f := chain.Frame{Env: env}
	if !s.ended {
		s.open(&f)
		if first := !s.hasPrev && s.contents.astray == 0; first && f.Record != nil && f.Record.Ledger != s.ledger {
			s.contents.otherLedger = f.Record.Ledger
		}
		s.ended = f.Err != nil || !s.follows(f.Record)
	}
	if s.ended {
		s.contents.astray++
		return
	}
	s.prev, s.hasPrev = f.Hash, true
	s.count++
	if f.Record.Seq > s.head.Seq {
		s.newCount++
		s.waiting = segment.AppendFrame(s.waiting, env)
	}
	if !f.Signed {
		return
	}
	if s.missing > 0 {
		s.contents.missing, s.ended = s.missing, true
		s.contents.astray += s.count
	} else {
		s.contents.frames = append(s.contents.frames, s.waiting...)
		s.contents.records += s.newCount
	}
	s.waiting, s.count, s.newCount = s.waiting[:0], 0, 0
}

// follows reports whether a record is the next one, or one that the segments have.
func (s *overflowReader) follows(r *record.Record) bool {
	first := r.First()
	switch {
	case r.Ledger != s.ledger || r.Writer != s.head.Writer:
		return false
	case s.hasPrev && r.Prev != s.prev, first == s.head.Seq+1 && r.Prev != s.head.Hash, r.Seq > s.head.Seq && first <= s.head.Seq:
		return false
	case !s.hasPrev && first > s.head.Seq+1:
		s.missing = first - s.head.Seq - 1
	}
	return true
}

// foreignOverflow is the error for the overflow file of another ledger.
func foreignOverflow(ledger string) error {
	return fmt.Errorf("%s holds records of the ledger %q: each needs a Config.Overflow of its own",
		segment.OverflowName, record.Brief(ledger))
}

// walkOverflow calls visit for each whole frame of the overflow file in dir, if
// there is one, until visit returns false.
func walkOverflow(dir string, visit func(env []byte) bool) error {
	f, err := osfile.OpenDirect(filepath.Join(dir, segment.OverflowName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	fr, err := segment.NewReader(f)
	var bad *segment.FrameError
	if errors.As(err, &bad) {
		return nil // it was not written to the end of its first line
	}
	if err != nil {
		return fmt.Errorf("%s: %w", segment.OverflowName, err)
	}
	for {
		env, _, err := fr.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.As(err, &bad):
			return nil // the rest was not written to its end
		case err != nil:
			return fmt.Errorf("%s: %w", segment.OverflowName, err)
		case !visit(env):
			return nil
		}
	}
}

// removeEmptyOverflow removes what the writer of a new ledger may find in place
// of its overflow file, unless it holds records.
func removeEmptyOverflow(d *segment.Disk, dir string) error {
	var failed error
	err := walkOverflow(dir, func(env []byte) bool {
		var e record.Envelope
		f := chain.Frame{Env: env}
		if f.Open(&e); f.Record != nil {
			failed = fmt.Errorf("%s in %s holds records of the ledger %q, and there is no segment: "+
				"either these were removed, or it is the overflow of another ledger, and each needs a Config.Overflow of its own",
				segment.OverflowName, dir, record.Brief(f.Record.Ledger))
		}
		return f.Record == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	return removeOverflow(d, dir)
}

func removeOverflow(d *segment.Disk, dir string) error {
	err := d.Remove(filepath.Join(dir, segment.OverflowName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// openOverflowed returns what opens the records of the overflow file, one after
// the other, and checks who signed them.
func (r *recovery) openOverflowed() func(f *chain.Frame) {
	session := r.session
	var e record.Envelope
	return func(f *chain.Frame) {
		if f.Open(&e); f.Err != nil {
			return
		}
		ofRoot := f.Record.Kind == record.KindSession || f.Record.Kind == record.KindRotate
		switch by := r.root; {
		case session == nil || !f.Signed && (ofRoot || session.Session.Signing == record.SignRecords):
			f.Err = record.Errorf(record.DamageUnsigned, "no signature")
		case !f.Signed:
		default:
			if !ofRoot {
				by, _ = record.ParseKey(session.Session.Public) // was parsed with the record
			}
			f.Err = signedBy(f.Env, by)
		}
		if f.Err == nil && f.Record.Kind == record.KindSession {
			session = f.Record
		}
	}
}
