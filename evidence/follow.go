package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// followEvery is how often Follow looks for more.
const followEvery = 200 * time.Millisecond

// Follow goes through the records of the ledger in dir as [Read] does and then
// waits for more, until ctx ends, which is the end of the sequence and no error.
// It begins after the Entry that is given, which Read or Follow yielded with a
// Record; the zero Entry is for the beginning.
//
// Follow looks for records five times a second. What is no whole frame in the
// last segment may still become one: it is an error only once something comes
// after it, and it is the same when it is looked at again. A record can come twice, with the same ID, where the writer's
// disk failed and the writer wrote it again.
func Follow(ctx context.Context, dir string, after Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f := follower{dir: dir, yield: yield, at: segment.Place{Segment: after.Segment, Offset: after.Offset}}
		if f.at.Segment != 0 {
			f.at.Offset += segment.FrameHeader + int64(len(after.Envelope))
		}
		err := f.run(ctx)
		if err != nil && !errors.Is(err, errEnough) {
			yield(Entry{}, fmt.Errorf("evidence: ledger %s: %w", dir, err))
		}
	}
}

// errEnough is that nobody wants more.
var errEnough = errors.New("evidence: followed far enough")

// A follower is one call of Follow.
type follower struct {
	dir   string
	yield func(Entry, error) bool
	at    segment.Place // of the next frame; segment 0 before the first
	bad   segment.Place // of the frame that was bad when it was last looked at
	env   record.Envelope

	read func(f *os.File) io.ReaderAt // tests have files grow meanwhile; nil: as they are
}

func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := f.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// catchUp yields what there is.
func (f *follower) catchUp(ctx context.Context) error {
	// Listed first: a segment that another one follows does not grow any more.
	ns, err := segment.List(f.dir)
	if err != nil {
		return err
	}
	if f.at.Segment == 0 {
		if len(ns) == 0 {
			return fmt.Errorf("%w: it has no segment", ErrNotLedger)
		}
		f.at.Segment = ns[0]
	}
	i, found := slices.BinarySearch(ns, f.at.Segment)
	if !found {
		return fmt.Errorf("segment %d is not there any more", f.at.Segment)
	}
	for ; i < len(ns) && ctx.Err() == nil; i++ {
		if i > 0 && ns[i] != f.at.Segment {
			f.at = segment.Place{Segment: ns[i]}
		}
		if err := f.segment(ctx, i == len(ns)-1); err != nil {
			return fmt.Errorf("segment %d: %w", ns[i], err)
		}
	}
	return nil
}

// segment yields the rest of a segment. The last one may still grow.
func (f *follower) segment(ctx context.Context, last bool) error {
	file, info, err := osfile.OpenRegular(segment.Path(f.dir, f.at.Segment), true)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	if info.Size() <= f.at.Offset {
		return nil // or it was cut: what was cut off is written to the next
	}
	// No further than it is long now: what is at the end stays there.
	var data io.ReaderAt = file
	if f.read != nil {
		data = f.read(file)
	}
	fr, err := segment.NewReaderAt(io.NewSectionReader(data, 0, info.Size()), f.at.Offset)
	for {
		off := f.at.Offset
		var env []byte
		if err == nil {
			env, off, err = fr.Next()
		}
		var bad *segment.FrameError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.As(err, &bad):
			return err
		case bad != nil && last && !f.confirmed(fr, off):
			return nil
		}
		if err := f.frame(segment.Place{Segment: f.at.Segment, Offset: off}, env, bad); err != nil {
			return err
		}
		f.at.Offset, err = fr.Offset(), nil
		if ctx.Err() != nil {
			return nil
		}
	}
}

// confirmed reports whether a bad frame of the last segment is to be told of.
// Where nothing follows it, it may still become a frame; where something does,
// the writer may just have written it again, and it is read again first.
func (f *follower) confirmed(fr *segment.Reader, off int64) bool {
	at := segment.Place{Segment: f.at.Segment, Offset: off}
	again := f.bad == at
	if f.bad = at; fr.AtEOF() {
		f.bad = segment.Place{}
		return false
	}
	return again
}

// frame yields what is at a place.
func (f *follower) frame(at segment.Place, env []byte, bad *segment.FrameError) error {
	var err error
	if bad != nil {
		err = bad
	}
	if !f.yield(newEntry(at, env, err, &f.env)) {
		return errEnough
	}
	return nil
}
