package segment

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"example.com/safeconduct/internal/osfile"
)

// A FrameError reports bytes that are no frame.
type FrameError struct {
	// Torn says that they are the beginning of one, as a crash leaves it at the
	// end of a segment. All else is no accident.
	Torn    bool
	Detail  string
	Skipped int64 // bytes up to the next frame, or the end
}

// Error says what is wrong.
func (e *FrameError) Error() string {
	if e.Torn {
		return "truncated: " + e.Detail
	}
	return "edited: " + e.Detail
}

// A Reader reads the frames of one segment. It holds one frame in memory,
// whatever the segment says. Its zero value is ready for Reset.
type Reader struct {
	r   *bufio.Reader
	off int64 // of the next frame
}

// NewReader reads the header line. Where that is damaged it returns a
// reader that starts at the first frame after it, and a *FrameError.
func NewReader(r io.Reader) (*Reader, error) {
	fr := new(Reader)
	fr.Reset(r, 0)
	head, err := fr.r.Peek(len(Header))
	switch {
	case string(head) == Header:
		fr.skip(len(Header))
		return fr, nil
	case notEOF(err) != nil:
		return nil, err
	case len(head) == len(Header) && bytes.HasPrefix(head, []byte(family)):
		return nil, ErrVersion
	case len(head) < len(Header):
		torn := bytes.HasPrefix([]byte(Header), head)
		fr.skip(len(head))
		return fr, &FrameError{torn, "the segment ends within its first line", int64(len(head))}
	}
	first := head[0]
	skipped, last, err := fr.resync()
	if err != nil {
		return nil, err
	}
	e := &FrameError{Detail: "the segment's first line is not one", Skipped: skipped}
	if fr.AtEOF() && last == 0 && first == 0 {
		e.Torn, e.Detail = true, "the segment holds nothing but zeros"
	}
	return fr, e
}

// NewReaderAt is NewReader from a frame on, or from the beginning.
func NewReaderAt(f io.ReadSeeker, offset int64) (*Reader, error) {
	if offset == 0 {
		return NewReader(f)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, osfile.WithoutPath(err)
	}
	fr := new(Reader)
	fr.Reset(f, offset)
	return fr, nil
}

// Reset has the Reader go on with r, which is at a frame that begins at offset in
// its segment.
func (fr *Reader) Reset(r io.Reader, offset int64) {
	if fr.r == nil {
		fr.r = bufio.NewReaderSize(r, 2*(FrameHeader+MaxEntry))
	} else {
		fr.r.Reset(r)
	}
	fr.off = offset
}

// Offset returns where the next frame begins.
func (fr *Reader) Offset() int64 { return fr.off }

// Next returns the next entry, which is valid until the next call, and the
// offset of its frame. At the end the error is io.EOF, where there is no frame
// it is a *FrameError, and reading goes on after it; other errors are of r.
func (fr *Reader) Next() (entry []byte, off int64, err error) {
	off = fr.off
	head, err := fr.r.Peek(FrameHeader)
	switch {
	case notEOF(err) != nil:
		return nil, off, err
	case len(head) == 0:
		return nil, off, io.EOF
	}
	env, whole, err := fr.peek()
	if err != nil {
		return nil, off, err
	}
	if env != nil {
		fr.skip(FrameHeader + len(env))
		return env, off, nil
	}
	if whole > 0 && fr.plausibleAt(whole) {
		fr.skip(whole)
		return nil, off, &FrameError{Detail: "checksum differs", Skipped: int64(whole)}
	}
	skipped, last, err := fr.resync()
	if err != nil {
		return nil, off, err
	}
	e := &FrameError{Detail: fmt.Sprintf("%d bytes that are no frame", skipped), Skipped: skipped}
	// No frame ends in a zero, but file systems leave them in a tail that they
	// made room for and did not fill.
	if fr.AtEOF() && (whole < 0 || last == 0) {
		e.Torn, e.Detail = true, fmt.Sprintf("%d bytes of a frame that was not written to its end", skipped)
	}
	return nil, off, e
}

// peek returns the envelope of the frame at the reader's position if it is a
// good one. Otherwise whole is the length of the frame as it says, or -1 where
// it goes beyond the end of the segment, or 0 where it makes no sense.
func (fr *Reader) peek() (env []byte, whole int, err error) {
	head, err := fr.r.Peek(FrameHeader)
	if len(head) < FrameHeader {
		return nil, -1, notEOF(err)
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > MaxEntry {
		return nil, 0, nil
	}
	frame, err := fr.r.Peek(FrameHeader + int(n))
	if len(frame) < FrameHeader+int(n) {
		return nil, -1, notEOF(err)
	}
	if n > maxUnseen && bytes.Contains(frame[FrameHeader+1:], begins) {
		return nil, len(frame), nil
	}
	if checksum(frame) != binary.BigEndian.Uint32(frame[4:]) {
		return nil, len(frame), nil
	}
	return frame[FrameHeader:], len(frame), nil
}

// maxUnseen is up to which length an envelope is summed before it is looked at. In a
// longer one no other may begin, which is seen as soon as one does: else whoever puts
// many beginnings close together would have all sums reach far beyond them.
const maxUnseen = 2 << 10

// plausibleAt reports whether a frame, or the end, is at n bytes from here.
func (fr *Reader) plausibleAt(n int) bool {
	ahead, _ := fr.r.Peek(n + FrameHeader)
	if len(ahead) == n {
		return true
	}
	if len(ahead) < n+FrameHeader {
		return false
	}
	next := binary.BigEndian.Uint32(ahead[n:])
	return next > 0 && next <= MaxEntry
}

var begins = []byte(Begins)

// resync moves on, by at least one byte, to the next good frame or to the end.
// It reports by how many bytes and which was the last of them.
func (fr *Reader) resync() (skipped int64, last byte, err error) {
	start := fr.off
	skip := func(n int) {
		if b, _ := fr.r.Peek(n); len(b) > 0 {
			last = b[len(b)-1]
		}
		fr.skip(n)
	}
	skip(1)
	for {
		window, err := fr.r.Peek(FrameHeader + MaxEntry)
		if err := notEOF(err); err != nil {
			return fr.off - start, last, err
		}
		if len(window) == 0 {
			return fr.off - start, last, nil
		}
		at := -1
		if len(window) > FrameHeader {
			at = bytes.Index(window[FrameHeader:], begins)
		}
		switch {
		case at < 0 && len(window) < FrameHeader+MaxEntry:
			skip(len(window)) // the end
		case at < 0:
			skip(len(window) - FrameHeader - len(begins) + 1)
		default:
			skip(at)
			env, _, err := fr.peek()
			if err != nil || env != nil {
				return fr.off - start, last, err
			}
			skip(1)
		}
	}
}

func (fr *Reader) skip(n int) {
	n, _ = fr.r.Discard(n) // has been peeked at
	fr.off += int64(n)
}

// AtEOF reports whether the segment ends here.
func (fr *Reader) AtEOF() bool {
	_, err := fr.r.Peek(1)
	return err == io.EOF
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
