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
)

// followEvery is how often Follow looks for more.
const followEvery = 200 * time.Millisecond

// Follow goes through the records of the ledger in dir as [Read] does and then
// waits for more, until ctx ends, which is the end of the sequence and no error.
// It begins after the Entry that is given, which Read or Follow yielded with a
// Record; the zero Entry is for the beginning.
//
// Follow looks for records five times a second. What is no whole frame at the
// end of the ledger may still become one: it is an error only once something
// comes after it. A record can come twice, with the same ID, where the writer's
// disk failed and the writer wrote it again.
func Follow(ctx context.Context, dir string, after Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f := follower{dir: dir, yield: yield, at: place{segment: after.Segment, offset: after.Offset}}
		if f.at.segment != 0 {
			f.at.offset += frameHeader + int64(len(after.Envelope))
		}
		err := f.run(ctx)
		if err != nil && !errors.Is(err, errFollowed) {
			yield(Entry{}, fmt.Errorf("evidence: ledger %s: %w", dir, err))
		}
	}
}

// errFollowed is that nobody wants more.
var errFollowed = errors.New("evidence: followed far enough")

// A follower is one call of Follow.
type follower struct {
	dir   string
	yield func(Entry, error) bool
	at    place // of the next frame; segment 0 before the first
	env   envelope
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
	ns, err := listSegments(f.dir)
	if err != nil {
		return err
	}
	if f.at.segment == 0 {
		if len(ns) == 0 {
			return fmt.Errorf("%w: it has no segment", ErrNotLedger)
		}
		f.at.segment = ns[0]
	}
	i, found := slices.BinarySearch(ns, f.at.segment)
	if !found {
		return fmt.Errorf("segment %d is not there any more", f.at.segment)
	}
	for ; i < len(ns) && ctx.Err() == nil; i++ {
		if i > 0 && ns[i] != f.at.segment {
			f.at = place{segment: ns[i]}
		}
		if err := f.segment(ctx, i == len(ns)-1); err != nil {
			return fmt.Errorf("segment %d: %w", ns[i], err)
		}
	}
	return nil
}

// segment yields the rest of a segment. The last one may still grow.
func (f *follower) segment(ctx context.Context, last bool) error {
	file, info, err := openRegular(segmentPath(f.dir, f.at.segment), true)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	if info.Size() <= f.at.offset {
		return nil // or it was cut: what was cut off is written to the next
	}
	fr, err := f.reader(file, last)
	if err != nil || fr == nil {
		return err
	}
	f.at.offset = fr.off
	for ctx.Err() == nil {
		env, off, err := fr.next()
		var bad *frameError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.As(err, &bad):
			return err
		case bad != nil && last && fr.atEOF():
			return nil // it may still become a frame
		}
		if err := f.frame(place{f.at.segment, off}, env, bad); err != nil {
			return err
		}
		f.at.offset = fr.off
	}
	return nil
}

// reader returns a reader of the segment from the next frame on, nil where there
// is none yet.
func (f *follower) reader(file *os.File, last bool) (*frameReader, error) {
	fr, err := newFrameReaderAt(file, f.at.offset)
	var bad *frameError
	switch {
	case err == nil:
		return fr, nil
	case !errors.As(err, &bad):
		return nil, err
	case last && fr.atEOF():
		return nil, nil
	}
	return fr, f.frame(place{segment: f.at.segment}, nil, bad)
}

// frame yields what is at a place.
func (f *follower) frame(at place, env []byte, bad *frameError) error {
	var err error
	if bad != nil {
		err = bad
	}
	if !f.yield(newEntry(at, env, err, &f.env)) {
		return errFollowed
	}
	return nil
}
