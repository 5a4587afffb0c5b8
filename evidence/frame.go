package evidence

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// A segment file is a line that says what it is, then frames:
//
//	length   4 bytes, big endian: of the envelope
//	checksum 4 bytes, big endian: CRC-32C of the length and the envelope
//	envelope
//
// The checksum finds accidents. Against intent there are the signatures.
const (
	segmentFamily = "safeconduct segment v"
	segmentHeader = segmentFamily + "1\n"
	frameHeader   = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends env in a frame.
func appendFrame(dst, env []byte) []byte {
	from := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(env)))
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, env...)
	binary.BigEndian.PutUint32(dst[from+4:], frameSum(dst[from:]))
	return dst
}

// frameSum returns the checksum that belongs into a frame.
func frameSum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[frameHeader:])
}

// A frameError reports bytes that are no frame.
type frameError struct {
	damage  record.Damage
	detail  string
	skipped int64 // bytes up to the next frame, or the end
}

func (e *frameError) Error() string { return string(e.damage) + ": " + e.detail }

// A frameReader reads the frames of one segment. It holds one frame in memory,
// whatever the segment says.
type frameReader struct {
	r   *bufio.Reader
	off int64 // of the next frame
}

// newFrameReader reads the header line. Where that is damaged it returns a
// reader that starts at the first frame after it, and a *frameError.
func newFrameReader(r io.Reader) (*frameReader, error) {
	fr := &frameReader{r: bufio.NewReaderSize(r, 2*(frameHeader+record.MaxEnvelope))}
	head, err := fr.r.Peek(len(segmentHeader))
	switch {
	case string(head) == segmentHeader:
		fr.skip(len(segmentHeader))
		return fr, nil
	case notEOF(err) != nil:
		return nil, err
	case len(head) == len(segmentHeader) && bytes.HasPrefix(head, []byte(segmentFamily)):
		return nil, ErrVersion
	case len(head) < len(segmentHeader):
		damage := record.DamageEdited
		if bytes.HasPrefix([]byte(segmentHeader), head) {
			damage = record.DamageTruncated
		}
		fr.skip(len(head))
		return fr, &frameError{damage, "the segment ends within its first line", int64(len(head))}
	}
	first := head[0]
	skipped, last, err := fr.resync()
	if err != nil {
		return nil, err
	}
	e := &frameError{record.DamageEdited, "the segment's first line is not one", skipped}
	if fr.atEOF() && last == 0 && first == 0 {
		e.damage, e.detail = record.DamageTruncated, "the segment holds nothing but zeros"
	}
	return fr, e
}

// newFrameReaderAt is newFrameReader from a frame on, or from the beginning.
func newFrameReaderAt(f io.ReadSeeker, offset int64) (*frameReader, error) {
	if offset == 0 {
		return newFrameReader(f)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, osfile.WithoutPath(err)
	}
	return &frameReader{r: bufio.NewReaderSize(f, 2*(frameHeader+record.MaxEnvelope)), off: offset}, nil
}

// next returns the next envelope, which is valid until the next call, and the
// offset of its frame. At the end the error is io.EOF, where there is no frame
// it is a *frameError, and reading goes on after it; other errors are of r.
func (fr *frameReader) next() (env []byte, off int64, err error) {
	off = fr.off
	head, err := fr.r.Peek(frameHeader)
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
		fr.skip(frameHeader + len(env))
		return env, off, nil
	}
	if whole > 0 && fr.plausibleAt(whole) {
		fr.skip(whole)
		return nil, off, &frameError{record.DamageEdited, "checksum differs", int64(whole)}
	}
	skipped, last, err := fr.resync()
	if err != nil {
		return nil, off, err
	}
	e := &frameError{record.DamageEdited, fmt.Sprintf("%d bytes that are no frame", skipped), skipped}
	// No frame ends in a zero, but file systems leave them in a tail that they
	// made room for and did not fill.
	if fr.atEOF() && (whole < 0 || last == 0) {
		e.damage, e.detail = record.DamageTruncated, fmt.Sprintf("%d bytes of a frame that was not written to its end", skipped)
	}
	return nil, off, e
}

// peek returns the envelope of the frame at the reader's position if it is a
// good one. Otherwise whole is the length of the frame as it says, or -1 where
// it goes beyond the end of the segment, or 0 where it makes no sense.
func (fr *frameReader) peek() (env []byte, whole int, err error) {
	head, err := fr.r.Peek(frameHeader)
	if len(head) < frameHeader {
		return nil, -1, notEOF(err)
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > record.MaxEnvelope {
		return nil, 0, nil
	}
	frame, err := fr.r.Peek(frameHeader + int(n))
	if len(frame) < frameHeader+int(n) {
		return nil, -1, notEOF(err)
	}
	if n > maxUnseen && bytes.Contains(frame[frameHeader+1:], marker) {
		return nil, len(frame), nil
	}
	if frameSum(frame) != binary.BigEndian.Uint32(frame[4:]) {
		return nil, len(frame), nil
	}
	return frame[frameHeader:], len(frame), nil
}

// maxUnseen is up to which length an envelope is summed before it is looked at. In a
// longer one no other may begin, which is seen as soon as one does: else whoever puts
// many beginnings close together would have all sums reach far beyond them.
const maxUnseen = 2 << 10

// plausibleAt reports whether a frame, or the end, is at n bytes from here.
func (fr *frameReader) plausibleAt(n int) bool {
	ahead, _ := fr.r.Peek(n + frameHeader)
	if len(ahead) == n {
		return true
	}
	if len(ahead) < n+frameHeader {
		return false
	}
	next := binary.BigEndian.Uint32(ahead[n:])
	return next > 0 && next <= record.MaxEnvelope
}

// marker is how every envelope begins. Base64 has no brace, so that it stands
// nowhere else.
var marker = []byte(`{"payload":"`)

// resync moves on, by at least one byte, to the next good frame or to the end.
// It reports by how many bytes and which was the last of them.
func (fr *frameReader) resync() (skipped int64, last byte, err error) {
	start := fr.off
	skip := func(n int) {
		if b, _ := fr.r.Peek(n); len(b) > 0 {
			last = b[len(b)-1]
		}
		fr.skip(n)
	}
	skip(1)
	for {
		window, err := fr.r.Peek(frameHeader + record.MaxEnvelope)
		if err := notEOF(err); err != nil {
			return fr.off - start, last, err
		}
		if len(window) == 0 {
			return fr.off - start, last, nil
		}
		at := -1
		if len(window) > frameHeader {
			at = bytes.Index(window[frameHeader:], marker)
		}
		switch {
		case at < 0 && len(window) < frameHeader+record.MaxEnvelope:
			skip(len(window)) // the end
		case at < 0:
			skip(len(window) - frameHeader - len(marker) + 1)
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

func (fr *frameReader) skip(n int) {
	n, _ = fr.r.Discard(n) // has been peeked at
	fr.off += int64(n)
}

func (fr *frameReader) atEOF() bool {
	_, err := fr.r.Peek(1)
	return err == io.EOF
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
