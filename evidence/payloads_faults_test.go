package evidence_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
)

// A disk that fails costs contents, which are counted, and
// leaves nothing half written; when it works again, so does the store.
func TestPayloadsDiskFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		n    int // bytes that are written before
	}{
		{"full", syscall.ENOSPC, 0},
		{"full midway", syscall.ENOSPC, 40},
		{"broken", syscall.EIO, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var broken fault
			broken.set(tt.err)
			s := openPayloads(t, dir, evidence.Payloads{})
			s.Break(func(f *os.File, b []byte) (int, error) {
				if err := broken.get(); err != nil {
					n, _ := f.Write(b[:tt.n])
					return n, &fs.PathError{Op: "write", Path: f.Name(), Err: err}
				}
				return f.Write(b)
			})
			d := payloadOf(1)
			s.Put(d)
			s.Put(payloadOf(2))
			flushPayloads(t, s)
			wantPayloads(t, s, 0, 2, 0)
			wantRefused(t, s.Err(), payloadFile(dir, payloadOf(2).Commitment()), tt.err.Error())
			if !errors.Is(s.Err(), tt.err) {
				t.Errorf("got %v, want %v", s.Err(), tt.err)
			}
			if _, err := s.Get(d.Commitment()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v, want fs.ErrNotExist", err)
			}
			wantNoTemp(t, dir)
			broken.set(nil)
			s.Put(d)
			flushPayloads(t, s)
			wantPayloads(t, s, 1, 2, 4096)
			if got, err := s.Get(d.Commitment()); err != nil || got != d {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func wantNoTemp(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"payloads/new", "payloads/*/new"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// What the file system makes of it is an error of the store and not a panic, and
// a directory that was moved away is not made anew.
func TestPayloadsObstructed(t *testing.T) {
	d := payloadOf(1)
	for _, tt := range []struct {
		name string
		make func(path string) error
		says string
	}{
		{"a file for a shard", func(path string) error { return os.WriteFile(filepath.Dir(path), nil, 0o600) }, "not a directory"},
		{"a directory for a file", func(path string) error { return os.MkdirAll(path, 0o700) }, "file exists"},
		{"moved away", func(path string) error {
			payloads := filepath.Dir(filepath.Dir(path))
			return os.Rename(payloads, payloads+".away")
		}, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openPayloads(t, dir, evidence.Payloads{})
			path := payloadFile(dir, d.Commitment())
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			s.Put(d)
			flushPayloads(t, s)
			wantPayloads(t, s, 0, 1, 0)
			wantRefused(t, s.Err(), path, tt.says)
			existed, err := s.Erase(t.Context(), d.Commitment())
			wantRefused(t, err, path, "erase: ")
			if existed {
				t.Error("erase: got that it existed")
			}
		})
	}
	t.Run("symlink", func(t *testing.T) { // is replaced, not followed
		dir := t.TempDir()
		s := openPayloads(t, dir, evidence.Payloads{})
		path, elsewhere := payloadFile(dir, d.Commitment()), filepath.Join(dir, "elsewhere")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Symlink(elsewhere, path)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, filepath.Join(filepath.Dir(path), "new")); err != nil {
			t.Fatal(err)
		}
		s.Put(d)
		flushPayloads(t, s)
		if got, err := s.Get(d.Commitment()); err != nil || got != d {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the link was followed: %v", err)
		}
	})
}

func TestPayloadsBounds(t *testing.T) {
	dir := t.TempDir()
	p := evidence.Payloads{MaxBytes: 3*4096 + 4095, MaxContent: 9000}
	s := openPayloads(t, dir, p)
	s.Put(payloadSized(0, 9000))
	wantPayloads(t, s, 0, 1, 0) // at once
	wantRefused(t, s.Err(), "MaxContent")
	s.Put(payloadSized(1, 4000)) // two blocks
	s.Put(payloadOf(2))
	s.Put(payloadOf(3))
	flushPayloads(t, s)
	wantPayloads(t, s, 2, 2, 3*4096)
	wantRefused(t, s.Err(), payloadFile(dir, payloadOf(3).Commitment()), "MaxBytes")
	s.Put(payloadOf(2)) // takes no more room than it has
	flushPayloads(t, s)
	wantPayloads(t, s, 3, 2, 3*4096)
	closePayloads(t, s)

	s = openPayloads(t, dir, p)
	s.Put(payloadOf(3))
	flushPayloads(t, s)
	wantPayloads(t, s, 0, 1, 3*4096)
	if existed, err := s.Erase(t.Context(), payloadSized(1, 4000).Commitment()); !existed || err != nil {
		t.Errorf("erase: got %v, %v", existed, err)
	}
	wantPayloads(t, s, 0, 1, 4096)
	s.Put(payloadOf(3))
	flushPayloads(t, s)
	wantPayloads(t, s, 1, 1, 2*4096)
}

// A disk that hangs holds nobody up who puts, and no more than the bounds in
// memory.
func TestPayloadsDiskHangs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int // of one content
		least int // that get in
		most  int
	}{
		{"by count", 0, evidence.PayloadQueue, evidence.PayloadQueue + 1},
		{"by bytes", 300 << 10, 9, 10},
		{"each larger than the bound", 5 << 20, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openPayloads(t, t.TempDir(), evidence.Payloads{MaxContent: 32 << 20})
			release := make(chan struct{})
			answer := sync.OnceFunc(func() { close(release) })
			defer answer()
			s.Break(func(f *os.File, b []byte) (int, error) { <-release; return f.Write(b) })
			const n = 2000
			d := payloadSized(1, tt.size)
			name := d.Commitment() // the same for all: their hashes do not matter here
			for range n {
				s.PutAs(name, d)
			}
			_, dropped, _ := s.Stats()
			if got := n - int(dropped); got < tt.least || got > tt.most {
				t.Errorf("%d got in, want %d to %d", got, tt.least, tt.most)
			}
			if got, bound := s.Waiting(), max(evidence.PayloadMemory, 2*(len(d.Encoded)+100)); got > bound {
				t.Errorf("%d bytes wait, want at most %d", got, bound)
			}
			wantRefused(t, s.Err(), "wait for the disk")
			for _, wait := range []func(context.Context) error{s.Flush, s.Close, s.Close} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				if err := wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want DeadlineExceeded", err)
				}
				cancel()
			}
			answer()
			closePayloads(t, s)
			kept, dropped, _ := s.Stats()
			if kept > 1 || kept+dropped != n || s.Waiting() != 0 {
				t.Errorf("got %d kept and %d dropped of %d, %d bytes waiting", kept, dropped, n, s.Waiting())
			}
		})
	}
}

func TestPayloadsErase(t *testing.T) {
	dir := t.TempDir()
	s := openPayloads(t, dir, evidence.Payloads{})
	erase := func(commitment string, want bool) {
		t.Helper()
		if existed, err := s.Erase(t.Context(), commitment); existed != want || err != nil {
			t.Errorf("erase: got %v, %v, want %v", existed, err, want)
		}
		if _, err := s.Get(commitment); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after erase: got %v, want fs.ErrNotExist", err)
		}
	}
	const n = 200
	for i := range n {
		s.Put(payloadOf(i))
	}
	erase(payloadOf(n-1).Commitment(), true) // still queued, probably
	erase(payloadOf(n-1).Commitment(), false)
	erase(payloadOf(n).Commitment(), false)
	wantPayloads(t, s, n, 0, (n-1)*4096)
	s.Put(payloadOf(n - 1)) // what is put later is kept
	flushPayloads(t, s)
	wantPayloads(t, s, n+1, 0, n*4096)
	// Damage is no obstacle.
	path := payloadFile(dir, payloadOf(3).Commitment())
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	erase(payloadOf(3).Commitment(), true)
	path = payloadFile(dir, payloadOf(4).Commitment())
	if err := errors.Join(os.Remove(path), os.Symlink("/dev/null", path)); err != nil {
		t.Fatal(err)
	}
	erase(payloadOf(4).Commitment(), true)

	closePayloads(t, s)
	s.Put(payloadOf(5))
	if _, err := s.Erase(t.Context(), payloadOf(5).Commitment()); !errors.Is(err, evidence.ErrClosed) {
		t.Errorf("after close: got %v, want ErrClosed", err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, evidence.ErrClosed) {
		t.Errorf("after close: got %v, want ErrClosed", err)
	}
	if !errors.Is(s.Err(), evidence.ErrClosed) {
		t.Errorf("a content put after close: got %v, want ErrClosed", s.Err())
	}
}

// An erasure whose caller has gone comes all the same, in its turn.
func TestPayloadsEraseGivenUp(t *testing.T) {
	s := openPayloads(t, t.TempDir(), evidence.Payloads{})
	release := make(chan struct{})
	s.Break(func(f *os.File, b []byte) (int, error) { <-release; return f.Write(b) })
	d := payloadOf(1)
	s.Put(d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Erase(ctx, d.Commitment())
	wantRefused(t, err, "canceled")
	close(release)
	flushPayloads(t, s)
	if _, err := s.Get(d.Commitment()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	wantPayloads(t, s, 1, 0, 0)
}

// What a crash leaves is removed; what is not ours is left alone and not counted.
func TestPayloadsLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := openPayloads(t, dir, evidence.Payloads{})
	d := payloadOf(1)
	s.Put(d)
	closePayloads(t, s)
	path := payloadFile(dir, d.Commitment())
	shard, payloads := filepath.Dir(path), filepath.Join(dir, "payloads")
	strangers := []string{
		filepath.Join(payloads, "README"), filepath.Join(shard, "README"), filepath.Join(payloads, payloadOf(2).Commitment()),
	}
	for _, path := range append(strangers, filepath.Join(shard, "new"), filepath.Join(payloads, "new")) {
		if err := os.WriteFile(path, []byte("half a cont"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(payloads, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	s = openPayloads(t, dir, evidence.Payloads{})
	wantNoTemp(t, dir)
	wantPayloads(t, s, 0, 0, 4096)
	for _, path := range strangers {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("removed: %v", err)
		}
	}
	if got, err := s.Get(d.Commitment()); err != nil || got != d {
		t.Errorf("got %+v, %v", got, err)
	}
	// An erasure takes what a failed write may have left as well.
	if err := os.WriteFile(filepath.Join(shard, "new"), []byte("half a cont"), 0o600); err != nil {
		t.Fatal(err)
	}
	if existed, err := s.Erase(t.Context(), d.Commitment()); !existed || err != nil {
		t.Errorf("erase: got %v, %v", existed, err)
	}
	wantNoTemp(t, dir)
}

// A content is there as a whole or not at all, whoever reads meanwhile.
func TestPayloadsConcurrent(t *testing.T) {
	dir := t.TempDir()
	s := openPayloads(t, dir, evidence.Payloads{})
	const n, rounds = 8, 40
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			d := payloadSized(i, 5000)
			for range rounds {
				s.Put(d)
				if i%2 == 0 {
					if _, err := s.Erase(t.Context(), d.Commitment()); err != nil {
						t.Errorf("erase: %v", err)
					}
				}
				s.Stats()
			}
		})
		wg.Go(func() {
			d := payloadSized(i, 5000)
			for range rounds {
				if got, err := evidence.OpenPayload(dir, payloadKey(), d.Commitment()); err == nil && got != d ||
					err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %d bytes, %v", len(got.Encoded), err)
				}
			}
		})
	}
	wg.Wait()
	flushPayloads(t, s)
	kept, dropped, size := s.Stats()
	if kept+dropped != n*rounds || dropped > 0 || size != n/2*2*4096 {
		t.Errorf("got %d kept, %d dropped (%v), %d bytes", kept, dropped, s.Err(), size)
	}
}
