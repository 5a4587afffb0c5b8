package ship

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// A cursor is how far an exporter came: all before its place in the ledger was
// shipped or parked. It is kept in exporters/NAME.cursor, in the ledger's directory:
//
//	safeconduct cursor v2
//	{"bytes":2718,"exporter":"default","last":"7f83…","ledger":"prod","lastAt":2034,"offset":2741,"parked":0,"segment":1,"shipped":4}
//	c0a1…
//
// a line that names the format, one of JSON, and the HMAC-SHA-256 of both, by a key
// that nobody makes without the root key: see [CursorKey].
type cursor struct {
	Bytes    int64             `json:"bytes"` // of the frames before the place
	Exporter string            `json:"exporter"`
	Last     record.Hash       `json:"last"` // leaf hash of the record before the place
	Ledger   string            `json:"ledger"`
	LastAt   int64             `json:"lastAt"` // where that begins in the segment
	Offset   int64             `json:"offset"`
	Parked   uint64            `json:"parked"`
	Refused  []*record.Refusal `json:"refused,omitempty"` // the parked that no record says of yet
	Segment  uint64            `json:"segment"`
	Shipped  uint64            `json:"shipped"`
}

const (
	cursorsDir   = "exporters"
	cursorSuffix = ".cursor"
	cursorFamily = "safeconduct cursor v"
	cursorHeader = cursorFamily + "2\n"

	// maxCursor bounds the file. Most of it may be refusals: a hundred that
	// nobody could record, of 64 ranges each.
	maxCursor = 1 << 20
)

func cursorPath(dir, exporter string) string {
	return filepath.Join(dir, cursorsDir, exporter+cursorSuffix)
}

// CursorKey returns the key that cursors of a ledger are authenticated with,
// from what sign returns, the signature of a root key. A device can make it as well
// as a key in memory, and nobody without either.
func CursorKey(ledger string, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	sig, err := sign([]byte(cursorFamily + "2 key for " + ledger))
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, sig, nil, cursorHeader, sha256.Size)
}

// newCursor returns one of a sink that has nothing.
func newCursor(exporter, ledger string) cursor {
	at := start(1)
	return cursor{Exporter: exporter, Ledger: ledger, Segment: at.Segment, Offset: at.Offset}
}

func (c *cursor) place() segment.Place {
	return segment.Place{Segment: c.Segment, Offset: c.Offset}
}

func (c *cursor) records() uint64 { return c.Shipped + c.Parked }

// encode returns the file.
func (c *cursor) encode(key []byte) []byte {
	line, err := json.Marshal(c)
	if err != nil {
		panic("evidence: cursor: " + err.Error()) // there is nothing in it that JSON cannot hold
	}
	file := fmt.Appendf(nil, "%s%s\n", cursorHeader, line)
	mac := hmac.New(sha256.New, key)
	mac.Write(file)
	return fmt.Appendf(file, "%x\n", mac.Sum(nil))
}

// parseCursor parses a file. It takes what encode gives and nothing else.
func parseCursor(b, key []byte) (*cursor, error) {
	rest, ok := bytes.CutPrefix(b, []byte(cursorHeader))
	if !ok {
		return nil, errors.New("its first line is another")
	}
	line, _, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return nil, errors.New("it is not whole")
	}
	var c cursor
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, errors.New("its second line is not JSON, or of other types")
	}
	if !hmac.Equal(c.encode(key), b) {
		return nil, errors.New("the root key in force did not make it, or it has another form")
	}
	if c.Segment == 0 || c.Offset < int64(len(segment.Header)) || c.Bytes < 0 || c.Shipped > record.MaxInt || c.Parked > record.MaxInt {
		return nil, errors.New("a number is out of range")
	}
	for _, f := range c.Refused {
		if f == nil || f.Validate() != nil || f.Exporter != c.Exporter {
			return nil, errors.New("what it says of refusals makes no sense")
		}
	}
	return &c, nil
}

// loadCursor returns the exporter's cursor, nil where there is none or, with an
// error, none that is one of the ledger, which is durable up to end and has so
// many records.
func loadCursor(dir, exporter, ledger string, key []byte, end segment.Place, records uint64) (*cursor, error) {
	f, info, err := osfile.OpenRegular(cursorPath(dir, exporter), true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if info.Size() > maxCursor {
		return nil, fmt.Errorf("it is longer than %d bytes", maxCursor)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCursor))
	if err != nil {
		return nil, osfile.WithoutPath(err)
	}
	c, err := parseCursor(b, key)
	switch {
	case err != nil:
		return nil, err
	case c.Ledger != ledger || c.Exporter != exporter:
		return nil, errors.New("it is of another ledger or exporter")
	case c.Segment > end.Segment || c.Segment == end.Segment && c.Offset > end.Offset || c.records() > records:
		return nil, errors.New("it is beyond the end of the ledger")
	}
	return c, c.check(dir)
}

// check compares the record before the cursor, if there is one, with that in the
// ledger.
func (c *cursor) check(dir string) error {
	if c.records() == 0 && c.place() == start(1) {
		return nil // it went back to the beginning
	}
	other := errors.New("the record before it is another")
	f, _, err := osfile.OpenRegular(segment.Path(dir, c.Segment), true)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	size := c.Offset - c.LastAt
	if c.LastAt < int64(len(segment.Header)) || size <= segment.FrameHeader || size > segment.FrameHeader+record.MaxEnvelope {
		return other
	}
	frame := make([]byte, size)
	if _, err := f.ReadAt(frame, c.LastAt); err != nil {
		return osfile.WithoutPath(err)
	}
	if leafOf(frame[segment.FrameHeader:]) != c.Last {
		return other
	}
	return nil
}

// save keeps the cursor.
func (c *cursor) save(d *segment.Disk, dir string, key []byte) error {
	path := cursorPath(dir, c.Exporter)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err == nil {
		if err := d.SyncDir(dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.Replace(path, c.encode(key))
}

// leafOf returns the hash of a record in the ledger's tree.
func leafOf(env []byte) record.Hash { return record.Hash(tiles.LeafHash(env)) }
