package ship

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// maxRewind bounds the rest between two times that a sink has an exporter go back,
// which begins at a minute and doubles as long as that leads nowhere.
const maxRewind = time.Hour

// rewinds are what a Shipper knows of the times that it went back. Its mutex guards
// them.
type rewinds struct {
	to *uint64 // how many records the sink is to keep, once nothing is under way; nil if all

	next     time.Time // before it the sink's wish is not granted
	rest     time.Duration
	furthest uint64 // how far the cursor was at the last one
}

const resendSuffix = ".resend"

func resendPath(dir, exporter string) string {
	return filepath.Join(dir, cursorsDir, exporter+resendSuffix)
}

// Resend has an exporter of the ledger in dir send all records again, as
// evidence.Resend says.
func Resend(dir, exporter string) error {
	if _, err := segment.List(dir); err != nil {
		return fmt.Errorf("ledger %s: %w", dir, err)
	}
	if !record.IsExporterName(exporter) {
		return fmt.Errorf("an exporter cannot be called %q: its name has lower-case letters, digits, - and _, and at most 64 of them",
			record.Brief(exporter))
	}
	if _, err := os.Lstat(cursorPath(dir, exporter)); err != nil {
		return fmt.Errorf("exporter %s: its cursor: %w", exporter, osfile.WithoutPath(err))
	}
	d := segment.RealDisk()
	return d.Replace(resendPath(dir, exporter), nil)
}

// heedResend takes up what Resend left.
func (x *Shipper) heedResend() {
	path := resendPath(x.Dir, x.Name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := x.Disk.Remove(path); err != nil {
		x.warn("an exporter cannot take up what it was asked to send again", "error", err)
		return // else it would be sent over and over
	}
	x.goBack(0)
}

// mayRewind reports whether the sink's wish to go back is granted now.
func (x *Shipper) mayRewind() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !time.Now().Before(x.rewinds.next)
}

// goBack has the Shipper go back to where the sink has so many records, once
// nothing is under way.
func (x *Shipper) goBack(records uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rewinds.to == nil || records < *x.rewinds.to {
		x.rewinds.to = &records
		x.wake()
	}
}

// rewind goes back, or to where the cursor is if that cannot be.
func (x *Shipper) rewind() {
	c := x.cursor
	if to := *x.rewinds.to; to < c.records() {
		earlier, err := c.rewound(x.Dir, to)
		if err != nil {
			x.warn("an exporter cannot go back", "record", to, "error", err)
		} else {
			c, x.unsaved = *earlier, true
			x.warn("an exporter sends records again", "from", to, "of", x.cursor.records())
		}
	}
	x.readTo, x.read = c.place(), amount{c.records(), c.Bytes}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.rewinds
	if x.cursor.records() > r.furthest {
		r.rest = 0 // it has led somewhere
	}
	r.rest = min(max(2*r.rest, reportEvery), maxRewind)
	r.to, r.next, r.furthest = nil, time.Now().Add(r.rest), max(r.furthest, x.cursor.records())
	x.cursor = c
	x.waitsFrom = time.Now()
	x.announce()
}

// rewound returns the cursor of an exporter whose sink has the first so many
// records, and nothing else. That some of the others were refused is still to be
// recorded, where it is not yet.
func (c *cursor) rewound(dir string, records uint64) (*cursor, error) {
	r := newCursor(c.Exporter, c.Ledger)
	r.Refused = c.Refused
	if records == 0 {
		return &r, nil
	}
	var bad error
	err := segment.WalkFrom(dir, r.place(), func(at segment.Place, env []byte, err error) bool {
		if bad = err; err != nil {
			return false
		}
		size := int64(segment.FrameHeader + len(env))
		r.Segment, r.LastAt, r.Offset = at.Segment, at.Offset, at.Offset+size
		r.Bytes += size
		if r.Shipped++; r.Shipped == records {
			r.Last = leafOf(env)
		}
		return r.Shipped < records
	}, nil)
	if err = errors.Join(err, bad); err == nil && r.Shipped < records {
		err = errors.New("the ledger is shorter than it was")
	}
	return &r, err
}
