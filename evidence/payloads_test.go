package evidence_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/missing"
)

const payloadSecret = "4111 1111 1111 1111"

func payloadKey() []byte { return bytes.Repeat([]byte{7}, 32) }

// payloadOf returns a disclosure of its own for each n.
func payloadOf(n int) record.Disclosure { return payloadSized(n, 0) }

func payloadSized(n, size int) record.Disclosure {
	text := fmt.Sprintf(`["c2FsdC1zYWx0LXNhbHQ%04d","input","%s%s"]`, n, payloadSecret, strings.Repeat("x", size))
	return record.Disclosure{
		Record:  fmt.Sprintf("019d0c2e-5b1f-7c39-9cc2-%012d", n),
		Encoded: base64.RawURLEncoding.EncodeToString([]byte(text)),
	}
}

func payloadFile(dir, commitment string) string {
	return filepath.Join(dir, "payloads", commitment[:2], commitment)
}

// openPayloads opens the store in dir and closes it at the end.
func openPayloads(t testing.TB, dir string, p evidence.Payloads) *evidence.PayloadStore {
	t.Helper()
	if p.Key == nil {
		p.Key = payloadKey
	}
	s, err := evidence.OpenPayloads(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePayloads(t, s) })
	return s
}

func closePayloads(t testing.TB, s *evidence.PayloadStore) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func flushPayloads(t testing.TB, s *evidence.PayloadStore) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func wantPayloads(t testing.TB, s *evidence.PayloadStore, kept, dropped uint64, size int64) {
	t.Helper()
	k, d, b := s.Stats()
	if k != kept || d != dropped || b != size {
		t.Errorf("got %d kept, %d dropped, %d bytes (%v), want %d, %d, %d", k, d, b, s.Err(), kept, dropped, size)
	}
}

// wantRefused checks an error: what and where, and nothing of the content.
func wantRefused(t testing.TB, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want one that says %q", says)
		return
	}
	for _, s := range append(says, "evidence: payload") {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("got error %v, want one that says %q", err, s)
		}
	}
	for _, secret := range []string{payloadSecret, payloadOf(1).Encoded, string(payloadKey())} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds content: %v", err)
		}
	}
}

func TestPayloads(t *testing.T) {
	dir := t.TempDir()
	s := openPayloads(t, dir, evidence.Payloads{})
	const n = 50
	for i := range n {
		s.Put(payloadOf(i))
	}
	flushPayloads(t, s)
	wantPayloads(t, s, n, 0, n*4096)
	s.Put(payloadOf(0)) // again
	flushPayloads(t, s)
	wantPayloads(t, s, n+1, 0, n*4096)
	for i := range n {
		want := payloadOf(i)
		if got, err := s.Get(want.Commitment()); err != nil || got != want {
			t.Errorf("get %d: got %+v, %v", i, got, err)
		}
		if got, err := evidence.OpenPayload(dir, payloadKey(), want.Commitment()); err != nil || got != want {
			t.Errorf("OpenPayload %d: got %+v, %v", i, got, err)
		}
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "payloads"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			if !hasMode(info, 0o700) {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		}
		files++
		if !info.Mode().IsRegular() || !hasMode(info, 0o600) {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, plain := range []string{payloadSecret, "019d0c2e", payloadOf(0).Encoded[:24]} {
			if bytes.Contains(data, []byte(plain)) {
				t.Errorf("%s holds %q in the clear", path, plain)
			}
		}
		return nil
	})
	if err != nil || files != n {
		t.Errorf("%v: got %d files, want %d", err, files, n)
	}
	closePayloads(t, s)

	// What is there is counted when it is opened again, and another key may
	// follow: each is read with its own.
	other := bytes.Repeat([]byte{8}, 32)
	s = openPayloads(t, dir, evidence.Payloads{Key: func() []byte { return other }})
	wantPayloads(t, s, 0, 0, n*4096)
	s.Put(payloadOf(n))
	flushPayloads(t, s)
	if _, err := s.Get(payloadOf(n).Commitment()); err != nil {
		t.Error(err)
	}
	_, err = s.Get(payloadOf(0).Commitment())
	wantRefused(t, err, payloadFile(dir, payloadOf(0).Commitment()), "not its key")
	if _, err := evidence.OpenPayload(dir, payloadKey(), payloadOf(0).Commitment()); err != nil {
		t.Error(err)
	}
}

func TestPayloadsKeepTheirKey(t *testing.T) {
	key := payloadKey()
	s := openPayloads(t, t.TempDir(), evidence.Payloads{Key: func() []byte { return key }})
	clear(key)
	s.Put(payloadOf(1))
	flushPayloads(t, s)
	if _, err := s.Get(payloadOf(1).Commitment()); err != nil {
		t.Errorf("after the caller's key was cleared: %v", err)
	}
}

func TestOpenPayloadsRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{0, 16, 31, 33} {
		_, err := evidence.OpenPayloads(dir, evidence.Payloads{Key: func() []byte { return make([]byte, n) }})
		wantRefused(t, err, fmt.Sprintf("the key has %d bytes, not 32", n))
		_, err = evidence.OpenPayload(dir, make([]byte, n), payloadOf(1).Commitment())
		wantRefused(t, err, fmt.Sprintf("the key has %d bytes, not 32", n))
	}
	if _, err := os.Stat(filepath.Join(dir, "payloads")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory was made without a key: %v", err)
	}
	nowhere := filepath.Join(dir, "nowhere")
	if _, err := evidence.OpenPayloads(nowhere, evidence.Payloads{Key: payloadKey}); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), nowhere) {
		t.Errorf("without a ledger: got %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.Mkdir(file, 0o700), os.WriteFile(filepath.Join(file, "payloads"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := evidence.OpenPayloads(file, evidence.Payloads{Key: payloadKey})
	wantRefused(t, err, filepath.Join(file, "payloads"), "not a directory")

	for _, p := range []evidence.Payloads{{MaxBytes: -1}, {MaxContent: -1}, {MaxContent: 64<<20 + 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: got no panic", p)
				}
			}()
			_, _ = evidence.OpenPayloads(dir, p)
		}()
	}
}

// A directory that nothing can be written to is an error at once.
func TestPayloadsNotWritable(t *testing.T) {
	if os.Geteuid() == 0 {
		missing.Skip(t, "a user", "root may write anywhere")
	}
	dir := t.TempDir()
	payloads := filepath.Join(dir, "payloads")
	if err := os.Mkdir(payloads, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := evidence.OpenPayloads(dir, evidence.Payloads{Key: payloadKey})
	wantRefused(t, err, payloads, "permission denied")
	if err := errors.Join(os.Remove(payloads), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700) //nolint:errcheck // for the clean-up
	_, err = evidence.OpenPayloads(dir, evidence.Payloads{Key: payloadKey})
	wantRefused(t, err, payloads, "permission denied")
}

func TestPayloadNames(t *testing.T) {
	dir := t.TempDir()
	s := openPayloads(t, dir, evidence.Payloads{})
	good := payloadOf(1).Commitment()
	n := uint64(0)
	for _, name := range []string{
		"", "x", good[:42], good + "A", good + "=", "../" + good[3:], good[:20] + "/" + good[21:], good[:20] + "\\" + good[21:],
		good[:42] + "\n", good[:20] + "\n" + good[20:], good[:20] + "\x00" + good[21:], good[:20] + "+" + good[21:],
		strings.Repeat(".", 43), "./" + good[2:], good[:42] + "B", " " + good[1:], good[:41] + "é",
	} {
		_, err := s.Get(name)
		wantRefused(t, err, "not a commitment")
		_, err = evidence.OpenPayload(dir, payloadKey(), name)
		wantRefused(t, err, "not a commitment")
		_, err = s.Erase(t.Context(), name)
		wantRefused(t, err, "not a commitment")
		s.PutAs(name, payloadOf(1))
		n++
	}
	flushPayloads(t, s)
	wantPayloads(t, s, 0, n, 0)
	wantRefused(t, s.Err(), "not a commitment")
	if entries, err := os.ReadDir(filepath.Join(dir, "payloads")); err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v, want an empty directory", entries, err)
	}
	// Nor is the ID of a record anything that does not come back as it was.
	for _, id := range []string{"a\nb", strings.Repeat("a", 5000)} {
		d := payloadOf(2)
		d.Record = id
		s.Put(d)
	}
	flushPayloads(t, s)
	wantPayloads(t, s, 0, n+2, 0)
}

func TestOpenPayloadRefuses(t *testing.T) {
	d := payloadOf(1)
	name := d.Commitment()
	good, err := evidence.SealPayload(payloadKey(), name, d)
	if err != nil {
		t.Fatal(err)
	}
	other, err := evidence.SealPayload(payloadKey(), payloadOf(2).Commitment(), payloadOf(2))
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := evidence.SealPayload(payloadKey(), name, payloadOf(2))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := evidence.SealText(payloadKey(), name, []byte(d.Encoded))
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) func(path string) error {
		return func(path string) error { return os.WriteFile(path, b, 0o600) }
	}
	for _, tt := range []struct {
		name string
		make func(path string) error
		says string // empty: is read
	}{
		{"good", put(good), ""},
		{"missing", func(string) error { return nil }, "no such file"},
		{"empty", put(nil), "is empty"},
		{"cut in the first line", put(good[:10]), "is cut off"},
		{"cut after the first line", put(good[:23]), "is cut off"},
		{"cut in the nonce", put(good[:30]), "is cut off"},
		{"cut at the end", put(good[:len(good)-1]), "cannot be decrypted"},
		{"longer", put(append(bytes.Clone(good), 0)), "cannot be decrypted"},
		{"another file", put([]byte("Dear diary")), "is not a payload file"},
		{"of the next version", put(bytes.Replace(good, []byte("v1"), []byte("v2"), 1)), "version that is not known"},
		{"another's file", put(other), "cannot be decrypted"},
		{"a disclosure of another commitment", put(wrong), "of another commitment"},
		{"no record", put(bare), "of another commitment, or none"},
		{"zeros", put(make([]byte, len(good))), "is not a payload file"},
		{"symlink", func(path string) error {
			return errors.Join(put(good)(path+".real"), os.Symlink(path+".real", path))
		}, "symbolic link"},
		{"directory", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		{"huge", func(path string) error {
			return errors.Join(put(good)(path), os.Truncate(path, 1<<40))
		}, "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := payloadFile(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), tt.make(path)); err != nil {
				t.Fatal(err)
			}
			got, err := evidence.OpenPayload(dir, payloadKey(), name)
			if tt.says == "" {
				if err != nil || got != d {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			wantRefused(t, err, path, tt.says)
			if got != (record.Disclosure{}) {
				t.Errorf("got %+v with an error", got)
			}
			if missing := tt.name == "missing"; errors.Is(err, fs.ErrNotExist) != missing {
				t.Errorf("%v: wraps fs.ErrNotExist: %v, want %v", err, !missing, missing)
			}
			_, err = evidence.OpenPayload(dir, bytes.Repeat([]byte{9}, 32), name)
			wantRefused(t, err, path)
		})
	}
}

// No bit of a file can be changed.
func TestPayloadBitFlips(t *testing.T) {
	d := payloadOf(1)
	good, err := evidence.SealPayload(payloadKey(), d.Commitment(), d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := evidence.UnsealPayload(good, payloadKey(), d.Commitment()); err != nil || got != d {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if got, err := evidence.UnsealPayload(bad, payloadKey(), d.Commitment()); err == nil || got != (record.Disclosure{}) {
				t.Errorf("byte %d, bit %d: got %+v, %v", i, bit, got, err)
			}
		}
		if got, err := evidence.UnsealPayload(good[:i], payloadKey(), d.Commitment()); err == nil || got != (record.Disclosure{}) {
			t.Errorf("%d bytes: got %+v, %v", i, got, err)
		}
	}
	// The key and the commitment count, each bit of them.
	for i := range 32 {
		key := payloadKey()
		key[i] ^= 1
		if _, err := evidence.UnsealPayload(good, key, d.Commitment()); err == nil {
			t.Errorf("byte %d of the key does not count", i)
		}
	}
	again, err := evidence.SealPayload(payloadKey(), d.Commitment(), d)
	if err != nil || bytes.Equal(again, good) {
		t.Errorf("%v: the same content twice makes the same file", err)
	}
}

func FuzzPayloadFile(f *testing.F) {
	d := payloadOf(1)
	good, err := evidence.SealPayload(payloadKey(), d.Commitment(), d)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte(d.Record+"\n"+d.Encoded))
	f.Add(good[:40], []byte(d.Encoded))
	f.Add([]byte("safeconduct payload v2\n"), []byte("\n"))
	f.Fuzz(func(t *testing.T, file, text []byte) {
		if got, err := evidence.UnsealPayload(file, payloadKey(), d.Commitment()); err == nil && got != d {
			t.Errorf("accepted %q as %+v, want %+v", file, got, d)
		}
		// What has the key on its side still has to hash to the commitment.
		sealed, err := evidence.SealText(payloadKey(), d.Commitment(), text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := evidence.UnsealPayload(sealed, payloadKey(), d.Commitment())
		if err == nil && (got.Commitment() != d.Commitment() || got.Record+"\n"+got.Encoded != string(text)) {
			t.Errorf("accepted %q as %+v", text, got)
		}
		if err != nil && got != (record.Disclosure{}) {
			t.Errorf("got %+v with error %v", got, err)
		}
	})
}

func BenchmarkPayloads(b *testing.B) {
	for _, size := range []int{200, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openPayloads(b, b.TempDir(), evidence.Payloads{MaxBytes: 1 << 40})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Put(payloadSized(i, size))
				if i%64 == 0 {
					flushPayloads(b, s)
				}
			}
			flushPayloads(b, s)
		})
	}
}
