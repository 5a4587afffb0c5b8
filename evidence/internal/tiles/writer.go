package tiles

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/internal/osfile"
	"golang.org/x/mod/sumdb/tlog"
)

// A Pass is what a Writer does about the files that belong where it writes.
type Pass int

const (
	// Write writes each file, whatever is there.
	Write Pass = iota
	// Ensure leaves a file that is right alone and writes one that is missing
	// or wrong: for a log that is opened and replayed.
	Ensure
	// Check writes nothing and finds what is missing or wrong: for a verifier.
	Check
)

// Options are how a Writer works. The zero value writes tiles that only their
// owner can read, without entries and without syncing.
type Options struct {
	Pass    Pass
	Entries bool                 // write bundles of the entries too
	Mode    fs.FileMode          // of files; 0 is 0o600. Directories can be searched by whom it lets read
	Sync    func(*os.File) error // called before a file gets its name; nil syncs nothing
	Wrong   func(path string)    // called for each wrong file found, with its path below the directory; may be nil
}

// Found counts what Ensure and Check found.
type Found struct {
	Missing int64 // files that are not there, or that end early
	Wrong   int64 // files with other bytes than those of this log, too long, or not regular
}

// A Writer writes the tiles of a growing log below a directory, which nothing
// else must write to. It holds at most one tile a level and one bundle in memory.
//
// A file appears under its name complete or not at all, though without
// Options.Sync a power cut may still empty it. A tile that has become complete
// is written by the next Append or Partial. The partial tiles and the partial
// bundle before it are then deleted, as the layout allows.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	dir        string
	opts       Options
	tree       Tree
	tiles      [tileLevels][]byte // the hashes since the last complete tile written
	bundle     []byte             // the entries since the last complete bundle written
	tileDone   bool               // some of these are complete
	bundleDone bool               // bundle is
	partial    int64              // the size that Partial was last called at
	found      Found
	scratch    []byte
}

// NewWriter returns a Writer of an empty log below dir. A log that has leaves is
// resumed by appending them again, in a Writer that ensures. NewWriter itself
// touches no file.
func NewWriter(dir string, opts Options) *Writer {
	if opts.Mode == 0 {
		opts.Mode = 0o600
	}
	return &Writer{dir: dir, opts: opts}
}

// Size returns how many leaves the log has.
func (w *Writer) Size() int64 { return w.tree.Size() }

// Tree returns the right edge of the log's tree, as it is now.
func (w *Writer) Tree() Tree { return w.tree }

// Root returns the root of the log.
func (w *Writer) Root() Hash { return w.tree.Root() }

// Found returns what has been found missing or wrong so far.
func (w *Writer) Found() Found { return w.found }

// Tail returns the hashes of the leaves after the last complete tile, for [NewReader].
func (w *Writer) Tail() []Hash {
	return hashes(w.tiles[0][:w.tree.Size()%tileWidth*tlog.HashSize])
}

// Resume ends the replay of a log: from here the Writer writes. One that checks
// must have found nothing missing or wrong.
func (w *Writer) Resume() {
	if w.opts.Pass == Check && w.found != (Found{}) {
		panic("tiles: the files are not those of the log")
	}
	w.opts.Pass = Write
}

// Append adds a leaf: its hash, and where Options.Entries is set the entry that
// this is the [LeafHash] of, which is not checked here. When it returns an error,
// which names the file that could not be written or checked, the leaf has not
// been added, and the same call can be tried again.
func (w *Writer) Append(leaf Hash, entry []byte) error {
	if w.opts.Entries && len(entry) > MaxEntry {
		return fmt.Errorf("tiles: leaf %d: %d bytes are more than %d", w.tree.Size(), len(entry), MaxEntry)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var nodes [tileLevels]Hash
	for level := range w.tree.add(leaf, &nodes) {
		if w.tiles[level] == nil {
			w.tiles[level] = make([]byte, 0, tileBytes)
		}
		w.tiles[level] = append(w.tiles[level], nodes[level][:]...)
	}
	w.tileDone = w.tree.Size()%tileWidth == 0
	if w.opts.Entries {
		w.bundle = binary.BigEndian.AppendUint16(w.bundle, uint16(len(entry)))
		w.bundle = append(w.bundle, entry...)
		w.bundleDone = w.tileDone
	}
	return nil
}

// Partial writes what a reader of a checkpoint at the current size needs beside
// the complete tiles. It can be tried again when it returns an error.
func (w *Writer) Partial() error {
	if err := w.Flush(); err != nil {
		return err
	}
	size := w.tree.Size()
	if size == w.partial {
		return nil
	}
	if width := int(size % tileWidth); width != 0 && w.opts.Entries {
		n := size / tileWidth
		if err := w.put(BundlePath(n, width), BundlePath(n, tileWidth), w.bundle); err != nil {
			return err
		}
	}
	for level := range w.tiles {
		nodes := size >> (tileHeight * level)
		if width := int(nodes % tileWidth); width != 0 {
			n := nodes / tileWidth
			if err := w.put(TilePath(level, n, width), TilePath(level, n, tileWidth), w.tiles[level]); err != nil {
				return err
			}
		}
	}
	w.partial = size
	return nil
}

// Flush writes the tiles that are complete, for a Reader; otherwise the next Append
// does. It can be tried again when it returns an error.
func (w *Writer) Flush() error {
	if !w.tileDone {
		return nil
	}
	if w.bundleDone {
		if err := w.putComplete(BundlePath(w.tree.Size()/tileWidth-1, tileWidth), w.bundle); err != nil {
			return err
		}
		w.bundle, w.bundleDone = w.bundle[:0], false
	}
	for level := range w.tiles {
		if len(w.tiles[level]) < tileBytes {
			continue
		}
		n := w.tree.Size()>>(tileHeight*(level+1)) - 1
		if err := w.putComplete(TilePath(level, n, tileWidth), w.tiles[level]); err != nil {
			return err
		}
		w.tiles[level] = w.tiles[level][:0]
	}
	w.tileDone = false
	return nil
}

func (w *Writer) putComplete(name string, data []byte) error {
	if err := w.put(name, "", data); err != nil {
		return err
	}
	if w.opts.Pass != Check {
		// Partial ones may stay: they only cost space.
		_ = os.RemoveAll(w.path(name) + ".p")
	}
	return nil
}

// put writes a file, or looks at it first, as the pass demands. A file that is missing
// counts as right where instead, which begins with the same bytes, is there.
func (w *Writer) put(name, instead string, data []byte) error {
	if w.opts.Pass != Write {
		state, err := w.compare(name, data, true)
		if err == nil && state == missing && instead != "" {
			if s, err := w.compare(instead, data, false); err == nil && s == right {
				state = right
			}
		}
		switch {
		case err != nil:
			return fmt.Errorf("tiles: %s: %w", name, err)
		case state == right:
			return nil
		case state == missing:
			w.found.Missing++
		case state == wrong:
			w.found.Wrong++
			if w.opts.Wrong != nil {
				w.opts.Wrong(name)
			}
		}
		if w.opts.Pass == Check {
			return nil
		}
	}
	if err := w.replace(w.path(name), data); err != nil {
		return fmt.Errorf("tiles: %s: %w", name, err)
	}
	return nil
}

func (w *Writer) path(name string) string {
	return filepath.Join(w.dir, filepath.FromSlash(name))
}

// replace puts a file in place in one step.
func (w *Writer) replace(path string, data []byte) (err error) {
	f, err := w.create(path + ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, osfile.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil && w.opts.Sync != nil {
		err = w.opts.Sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return osfile.Rename(f.Name(), path)
}

// create opens a new file, makes the directories to it where they are missing,
// and replaces what a crash has left under its name.
func (w *Writer) create(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := osfile.Open(path, flags, w.opts.Mode)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		read := w.opts.Mode & 0o444
		if err := os.MkdirAll(filepath.Dir(path), 0o700|read|read>>2); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrExist):
		if err := osfile.Remove(path); err != nil {
			return nil, err
		}
	default:
		return f, err
	}
	return osfile.Open(path, flags, w.opts.Mode)
}
