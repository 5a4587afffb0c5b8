package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment file is a line that says what it is, then frames:
//
//	length   4 bytes, big endian: of the entry
//	checksum 4 bytes, big endian: CRC-32C of the length and the entry
//	entry
//
// The checksum finds accidents. Against intent there are the signatures.
const (
	family = "safeconduct segment v"

	// Header is a segment's first line.
	Header = family + "1\n"

	// FrameHeader is how many bytes stand before an entry in its frame.
	FrameHeader = 8

	// MaxEntry is how long an entry can be.
	MaxEntry = 65_535

	// Begins is how every entry begins, and what stands nowhere else in one: a
	// reader finds the next frame by it after bytes that are none.
	Begins = `{"payload":"`
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendFrame appends an entry in a frame.
func AppendFrame(dst, entry []byte) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, FrameHeader)...)
	dst = append(dst, entry...)
	FillHeader(dst[from:])
	return dst
}

// FillHeader writes the header of a frame whose entry is there.
func FillHeader(frame []byte) {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-FrameHeader))
	binary.BigEndian.PutUint32(frame[4:], checksum(frame))
}

// checksum returns what belongs into a frame.
func checksum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[FrameHeader:])
}

// SplitFrame takes the first of some frames, which are whole.
func SplitFrame(frames []byte) (entry, rest []byte) {
	n := FrameHeader + int(binary.BigEndian.Uint32(frames))
	return frames[FrameHeader:n], frames[n:]
}

// EachFrame calls visit for each entry in frames that were read back. The error
// is of one that is not whole, or of which the checksum differs.
func EachFrame(frames []byte, visit func(entry []byte)) error {
	for len(frames) > 0 {
		if len(frames) < FrameHeader {
			return errors.New("a frame is not whole")
		}
		n := FrameHeader + int(binary.BigEndian.Uint32(frames))
		if n > len(frames) || checksum(frames[:n]) != binary.BigEndian.Uint32(frames[4:]) {
			return errors.New("a frame is not whole")
		}
		visit(frames[FrameHeader:n])
		frames = frames[n:]
	}
	return nil
}
