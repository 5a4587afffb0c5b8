package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"example.com/safeconduct/evidence/internal/segment"
)

// maxOverflow bounds the overflow file. Beyond it records wait in the queue, and
// are lost once that is full.
const maxOverflow = 1 << 30

// An overflow keeps signed records in a file while the segments cannot be
// written: the disk is slow, or its syncs fail. Nothing there is acknowledged.
// It survives the end of the process, and of the machine as far as the system
// had written it.
//
// One goroutine appends and one takes.
type overflow struct {
	disk  *segment.Disk
	path  string
	holds func() error // the directory is still the one that the file belongs in; may be nil

	f *os.File // nil until it is needed

	mu      sync.Mutex
	active  bool  // what comes goes to the file
	written int64 // bytes that are whole
	taken   int64 // of them, those that stand in the segments
	marks   []groupEnd
}

// A groupEnd is where a group ends in the overflow file.
type groupEnd struct {
	end     int64
	seq     uint64
	count   int
	endsRun bool // a run ends in it
	session *sessionKey
}

func newOverflow(dir string, d *segment.Disk) *overflow {
	return &overflow{disk: d, path: filepath.Join(dir, segment.OverflowName)}
}

func (o *overflow) isActive() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.active
}

// append adds groups. After an error nothing of them is in the file. An empty
// file begins with the group before them, if that is not nil, which is only for
// whoever takes the file over.
func (o *overflow) append(before *group, groups ...*group) error {
	if o.f == nil {
		if o.holds != nil {
			if err := o.holds(); err != nil {
				return err
			}
		}
		f, err := o.disk.Create(o.path)
		if err != nil {
			return err
		}
		o.f = f
	}
	o.mu.Lock()
	start, taken := o.written, o.taken
	o.mu.Unlock()
	end := start
	marks := make([]groupEnd, 0, len(groups))
	write := func(b []byte) error {
		if end+int64(len(b)) > maxOverflow {
			return errors.New("the overflow file is full")
		}
		_, err := o.disk.WriteAt(o.f, b, end)
		end += int64(len(b))
		return err
	}
	if start == 0 {
		if err := write([]byte(segment.Header)); err != nil {
			return errors.Join(err, o.disk.Truncate(o.f, start))
		}
		if before != nil {
			before.signed.Wait()
			if err := write(before.frames); err != nil {
				return errors.Join(err, o.disk.Truncate(o.f, start))
			}
		}
		taken = end
	}
	for _, b := range groups {
		b.signed.Wait()
		if err := write(b.frames); err != nil {
			return errors.Join(err, o.disk.Truncate(o.f, start))
		}
		marks = append(marks, groupEnd{end, b.seq, b.count(), b.endsRun, b.session})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.active, o.written, o.taken = true, end, max(o.taken, taken)
	o.marks = append(o.marks, marks...)
	return nil
}

// next returns the frames of the oldest group that the segments do not have.
func (o *overflow) next() ([]byte, groupEnd, error) {
	o.mu.Lock()
	if len(o.marks) == 0 {
		o.mu.Unlock()
		return nil, groupEnd{}, nil
	}
	m, from := o.marks[0], o.taken
	o.mu.Unlock()
	frames := make([]byte, m.end-from)
	if _, err := o.f.ReadAt(frames, from); err != nil {
		return nil, m, err
	}
	return frames, m, nil
}

// markTaken says that the segments have the oldest group. With the last one the
// file is emptied, and what comes goes its usual way.
func (o *overflow) markTaken() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = o.marks[0].end
	o.marks = o.marks[1:]
	if len(o.marks) > 0 {
		return nil
	}
	o.active, o.written, o.taken, o.marks = false, 0, 0, nil
	return o.disk.Truncate(o.f, 0)
}

// waiting returns how many records are in the file only.
func (o *overflow) waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.marks {
		n += m.count
	}
	return n
}

// close removes the file where everything in it stands in the segments.
func (o *overflow) close() {
	if o.f == nil {
		return
	}
	_ = o.f.Close()
	if !o.isActive() {
		_ = o.disk.Remove(o.path)
	}
}
