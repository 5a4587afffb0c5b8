package evidence_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// keyPath is the file of whose key a process prints the ID.
const keyPath = "SAFECONDUCT_KEY_PATH"

func printKey() {
	key, err := evidence.LoadOrCreateKey(os.Getenv(keyPath))
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(record.KeyID(ledgertest.Public(key)))
}

func TestLoadOrCreateKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.key")
	key, err := evidence.LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{path: 0o600, path + ".pub": 0o644} {
		if info, err := os.Stat(name); err != nil || !hasMode(info, mode) {
			t.Errorf("%s: got %v, %v, want mode %v", name, info, err, mode)
		}
	}
	before := fileOf(t, path)
	if again, err := evidence.LoadOrCreateKey(path); err != nil || !again.Equal(key) {
		t.Errorf("the second time: got another key, %v", err)
	}
	if pub, err := trust.LoadPublicKey(path + ".pub"); err != nil || !pub.Equal(key.Public()) {
		t.Errorf("the public half: got another key, %v", err)
	}

	// A process that was killed between the two halves, or before either has its name.
	if err := errors.Join(os.Remove(path+".pub"), os.WriteFile(filepath.Join(dir, ".safeconduct-X"), []byte("-----BEG"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if again, err := evidence.LoadOrCreateKey(path); err != nil || !again.Equal(key) {
		t.Errorf("without the public half: got another key, %v", err)
	}
	if pub, err := trust.LoadPublicKey(path + ".pub"); err != nil || !pub.Equal(key.Public()) {
		t.Errorf("the public half was not written again: got another key, %v", err)
	}
	if !bytes.Equal(fileOf(t, path), before) {
		t.Error("the private half changed")
	}
}

func fileOf(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What is there and is no key to use is an error that says what to do, and stays.
func TestLoadOrCreateKeyRefuses(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.key")
	if _, err := evidence.LoadOrCreateKey(good); err != nil {
		t.Fatal(err)
	}
	private, public := fileOf(t, good), fileOf(t, good+".pub")
	put := func(path string, data []byte, mode fs.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, file string
		make       func(path string)
		says       string
	}{
		{"readable by the group", "k", func(p string) { put(p, private, 0o640) }, "chmod 600 it"},
		{"a directory", "k", func(p string) { _ = os.Mkdir(p, 0o700) }, "is not a regular file: give the path of a file"},
		{"a link", "k", func(p string) { _ = os.Symlink(good, p) }, "is a symbolic link: give the path of a file"},
		{"a link to nothing", "k", func(p string) { _ = os.Symlink(p+"x", p) }, "is a symbolic link: give the path of a file"},
		{"empty", "k", func(p string) { put(p, nil, 0o600) }, "is empty: put the key back that was there, or move the file away"},
		{"torn", "k", func(p string) { put(p, private[:60], 0o600) }, "is not in PEM: put the key back that was there"},
		{"a public key", "k", func(p string) { put(p, public, 0o600) }, "holds a public key, where a private key belongs: give the one without .pub"},
		{"a public key by its name", "k.pub", func(p string) { put(p, public, 0o600) }, "give the one without .pub"},
		{"a name that says public", "k.pub", func(string) {}, ".pub says public: leave it out"},
		{"no directory", "d/k", func(string) {}, "make the directory first"},
		{"no directory but a file", "d/k", func(p string) { put(filepath.Dir(p), nil, 0o600) }, "give a place that you may write to"},
		{"no path", "", func(string) {}, "no path was given"},
		{"another public half", "k", func(p string) {
			put(p, private, 0o600)
			put(p+".pub", []byte("x"), 0o644)
		}, "move it away, and it is written anew"},
		{"only a public half", "k", func(p string) { put(p+".pub", public, 0o644) }, "its private half, is not: bring that back, or move"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := tt.file
			if path != "" {
				path = filepath.Join(dir, tt.file)
				tt.make(path)
			}
			names := func() string {
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				var s strings.Builder
				for _, e := range entries {
					data, _ := os.ReadFile(filepath.Join(dir, e.Name()))
					_, _ = s.WriteString(e.Name() + ": " + string(data) + "\n")
				}
				return s.String()
			}
			before := names()
			_, err := evidence.LoadOrCreateKey(path)
			if err == nil || !strings.HasPrefix(err.Error(), "evidence: root key: ") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got error %v, want one with %q", err, tt.says)
			}
			if after := names(); after != before {
				t.Errorf("got files\n%s, want them as before:\n%s", after, before)
			}
		})
	}
}

// Processes and goroutines that start at once get one key.
func TestLoadOrCreateKeyAtOnce(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "agent.key")
		var mu sync.Mutex
		ids := make(map[string]int)
		var running sync.WaitGroup
		for i := range 12 {
			running.Go(func() {
				var id string
				if i%3 == 0 {
					cmd := exec.CommandContext(t.Context(), os.Args[0])
					cmd.Env = append(os.Environ(), keyPath+"="+path)
					out, err := cmd.Output()
					if id = string(out); err != nil {
						id = err.Error()
					}
				} else if key, err := evidence.LoadOrCreateKey(path); err != nil {
					id = err.Error()
				} else {
					id = record.KeyID(ledgertest.Public(key))
				}
				mu.Lock()
				defer mu.Unlock()
				ids[id]++
			})
		}
		running.Wait()
		if len(ids) != 1 {
			t.Fatalf("got keys %v, want one", ids)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
			t.Errorf("got files %v, %v, want the two halves", entries, err)
		}
	}
}

// The first program of the package doc works as it stands, and at the second run.
func TestDocRunsTwice(t *testing.T) {
	source := fileOf(t, "doc.go")
	block := regexp.MustCompile(`(?m)^//\t.*\n(?://\t?.*\n)*?//\n`).Find(source)
	body := regexp.MustCompile(`(?m)^//`).ReplaceAll(block, nil)
	if !bytes.Contains(body, []byte("LoadOrCreateKey")) {
		t.Fatalf("the first program of the doc is\n%s", body)
	}
	program := `package main

import (
	"context"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func main() {
	if err := run(context.Background()); err != nil {
		panic(err)
	}
}

func shell(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{Output: "ok"}, nil }

func run(ctx context.Context) error {
` + string(body) + `
	_, err = tool(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"})
	return err
}
`
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	if err := os.WriteFile(main, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "program.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, main).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	work := t.TempDir()
	for range 2 {
		cmd := exec.CommandContext(t.Context(), binary)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	pub, err := trust.LoadPublicKey(filepath.Join(work, "agent.key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.Verify(t, filepath.Join(work, "ledger"), pub); !report.Intact() || report.Writers != 2 || report.Calls != 2 {
		t.Errorf("got %+v, want two writers and two calls, intact", report)
	}
}

// A ledger of another key is not damaged, and one that only claims to be is.
func TestOtherKey(t *testing.T) {
	dir := ledgertest.Dir(t)
	step := func(key byte, next ...byte) {
		t.Helper()
		r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(key)})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range next {
			if err := r.Rotate(t.Context(), ledgertest.Key(to)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantOther := func(key, owner byte, former bool) {
		t.Helper()
		_, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(key)})
		if !errors.Is(err, evidence.ErrOtherKey) || errors.Is(err, evidence.ErrDamaged) {
			t.Fatalf("key %d: got error %v, want ErrOtherKey alone", key, err)
		}
		if strings.Contains(err.Error(), "handed over: ") != former || strings.Contains(err.Error(), "its end was cut off") == former {
			t.Errorf("key %d: got error %v, former %v", key, err, former)
		}
		if !strings.Contains(err.Error(), record.KeyID(ledgertest.Public(ledgertest.Key(owner)))) {
			t.Errorf("key %d: got error %v, want one that names key %d", key, err, owner)
		}
		if !strings.Contains(err.Error(), "safeconduct succeed") || !strings.Contains(err.Error(), "PredecessorOf") {
			t.Errorf("key %d: got error %v, which does not say what to do", key, err)
		}
	}
	step(1)
	wantOther(4, 1, false)
	step(1, 2)
	wantOther(1, 2, true)
	wantOther(4, 2, false)
	step(2, 3)
	for _, key := range []byte{1, 2, 4} {
		wantOther(key, 3, key != 4)
	}
	step(3)

	// Whoever has no key changes who signed a session, or hands the ledger over.
	envs := ledgertest.Envelopes(t, dir)
	id := func(n byte) string { return record.KeyID(ledgertest.Public(ledgertest.Key(n))) }
	for i, env := range envs {
		for n := byte(1); n <= 3; n++ {
			if bytes.Count(env, []byte(id(n))) == 0 {
				continue
			}
			ledgertest.Rewrite(t, dir, ledgertest.At(envs, i, bytes.Replace(env, []byte(id(n)), []byte(id(4)), 1))...)
			if _, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) {
				t.Errorf("record %d by %d: got error %v, want ErrDamaged", i, n, err)
			}
		}
	}
}
