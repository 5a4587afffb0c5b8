package tiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"example.com/safeconduct/internal/osfile"
)

type fileState int

const (
	right fileState = iota
	missing
	wrong
)

// compare says whether a file has the bytes that it should have or, where whole is
// false, should begin with. It reads no more than those.
func (w *Writer) compare(name string, want []byte, whole bool) (fileState, error) {
	f, size, err := openRegular(w.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return missing, nil
	case errors.Is(err, errNotRegular):
		return wrong, nil
	case err != nil:
		return wrong, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if whole && size > int64(len(want)) {
		return wrong, nil
	}
	if w.scratch == nil {
		w.scratch = make([]byte, tileBytes)
	}
	for len(want) > 0 {
		n, err := io.ReadFull(f, w.scratch[:min(len(want), len(w.scratch))])
		if !bytes.Equal(w.scratch[:n], want[:n]) {
			return wrong, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return missing, nil
		}
		if err != nil {
			return wrong, err
		}
		want = want[n:]
	}
	return right, nil
}

// readHashes reads the first n hashes of a tile.
func readHashes(path string, n int) ([]byte, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data := make([]byte, n*len(Hash{}))
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%d bytes expected: %w", len(data), err)
	}
	return data, nil
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file for reading and returns its size. It opens only regular
// files: opening a named pipe would wait for its other end.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	f, err := osfile.Open(path, os.O_RDONLY, 0)
	return f, info.Size(), err
}
