package osfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/internal/osfile"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	f, err := osfile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(osfile.Allocate(f, 1<<16), osfile.Sync(f), f.Close(), osfile.SyncDir(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, r io.Reader, want string) {
	t.Helper()
	if got, err := io.ReadAll(r); err != nil || string(got) != want {
		t.Errorf("got %q %v, want %q", got, err, want)
	}
}

// A file that somebody reads can be replaced and removed, its name is free at
// once, and the reader has what it opened.
func TestAReaderHindersNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "one")
	reader, err := osfile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	write(t, path+".new", "two")
	if err := osfile.Rename(path+".new", path); err != nil && isWine() {
		t.Skipf("NOT TESTED: Wine replaces no file that is open: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	second, err := osfile.OpenDirect(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if err := osfile.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "three")
	third, err := osfile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = third.Close() }()
	wantContent(t, reader, "one")
	wantContent(t, second, "two")
	wantContent(t, third, "three")
}

// A lock is had once, can be read through, and ends with the file that has it.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "content")
	open := func() *os.File {
		f, err := osfile.OpenDirect(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	first, second := open(), open()
	if err := osfile.Lock(first); err != nil {
		t.Fatal(err)
	}
	if err := osfile.Lock(second); !errors.Is(err, osfile.ErrLocked) {
		t.Errorf("the second: got %v, want ErrLocked", err)
	}
	wantContent(t, second, "content")
	if _, err := second.WriteAt([]byte("C"), 0); err != nil {
		t.Errorf("a write beside the lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := osfile.Lock(second); err != nil {
		t.Errorf("the second, once the first is closed: %v", err)
	}
}

func TestOpenDirectRefusesSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "content")
	for _, to := range []string{"file", filepath.Join(dir, "file"), "nowhere"} {
		link := filepath.Join(dir, "link")
		_ = os.Remove(link)
		err := os.Symlink(to, link)
		if info, lerr := os.Lstat(link); err != nil || lerr != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Skipf("NOT TESTED: this system gives us no symbolic links: %v", errors.Join(err, lerr))
		}
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE} {
			if f, err := osfile.OpenDirect(link, flag, 0o600); err == nil {
				t.Errorf("%s with flag %d: no error", to, flag)
				_ = f.Close()
			}
		}
		f, err := osfile.Open(link, os.O_RDONLY, 0)
		if err == nil {
			wantContent(t, f, "content")
			_ = f.Close()
		}
		if (err == nil) != (to != "nowhere") {
			t.Errorf("%s: Open: %v", to, err)
		}
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "there")
	for name, err := range map[string]error{
		"Open":       second(osfile.Open(path, os.O_RDONLY, 0)),
		"OpenDirect": second(osfile.OpenDirect(path, os.O_RDONLY, 0)),
		"Remove":     osfile.Remove(path),
	} {
		var p *fs.PathError
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &p) {
			t.Errorf("%s: got %v, want a PathError that wraps fs.ErrNotExist", name, err)
		}
	}
	if err := osfile.Rename(path, path+".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rename: got %v, want an error that wraps fs.ErrNotExist", err)
	}
}

func second(_ *os.File, err error) error { return err }

func TestFree(t *testing.T) {
	if n, err := osfile.Free(t.TempDir()); err != nil || n <= 0 {
		t.Errorf("got %d %v, want some", n, err)
	}
}

// Of many who write a new file at once one does, whole, and nothing else is left.
func TestWriteNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	errs := make(chan error)
	for range 8 {
		go func() { errs <- osfile.WriteNew(path, []byte("whole"), 0o600) }()
	}
	wrote := 0
	for range 8 {
		switch err := <-errs; {
		case err == nil:
			wrote++
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("got error %v, want fs.ErrExist", err)
		}
	}
	if wrote != 1 {
		t.Errorf("%d wrote it, want one", wrote)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, f, "whole")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("got files %v, %v, want one", left, err)
	}
	if err := osfile.WriteNew(filepath.Join(path, "x"), nil, 0o600); err == nil {
		t.Error("below a file: got no error")
	}
	if err := osfile.WriteNew(filepath.Join(t.TempDir(), "no", "x"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: got %v, want fs.ErrNotExist", err)
	}
}
