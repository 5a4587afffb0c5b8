package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/missing"
	"example.com/safeconduct/middleware"
	"golang.org/x/mod/sumdb/note"
)

var interop = flag.String("interop", "", "the directory of fsck and cosign, for the tests that run them")

// tool returns the path of a program that make interop has installed.
func tool(t *testing.T, name string) string {
	t.Helper()
	if *interop == "" {
		t.Skipf("runs %s, which make interop installs; -interop names its directory", name)
	}
	path, err := filepath.Abs(filepath.Join(*interop, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program and returns what it printed. The error is that of its exit
// status, or of the time that it took.
func run(t *testing.T, limit time.Duration, path string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatal(err) // it did not run
	}
	return string(out), errors.Join(err, ctx.Err())
}

// A recorded is a ledger that Recorders made, one after the other; the first
// hands over to another root key.
type recorded struct {
	dir       string
	origin    string
	entries   []evidence.Entry
	published [][]byte
}

// recordRuns makes a ledger with so many runs before a rotation and after it, and
// twice as many in each further opening.
func recordRuns(t *testing.T, runs int, modes ...record.Signing) *recorded {
	t.Helper()
	l := recorded{dir: ledgertest.Dir(t), origin: "interop.example/ledger"}
	var mu sync.Mutex
	publish := func(checkpoint []byte) {
		mu.Lock()
		defer mu.Unlock()
		l.published = append(l.published, checkpoint)
	}
	key := ledgertest.Key(1)
	for n, mode := range modes {
		r, err := evidence.Open(l.dir, evidence.Config{
			Key: key, Ledger: l.origin, Signing: mode, ReadOnly: []string{"calculator"}, Publish: publish,
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 * runs {
			if n == 0 && i == runs {
				key = ledgertest.Key(2)
				if err := r.Rotate(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			ctx := t.Context()
			if i%2 == 1 {
				ctx = middleware.WithCoverage(ctx, middleware.Coverage{Digest: sha256.Sum256([]byte("report")), Guarded: 3})
			}
			if err := agent(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		streamed := middleware.Call{Kind: middleware.KindModel, Name: "m", Stream: func(context.Context, middleware.Chunk) error { return nil }}
		if _, err := call(t, r, streamed, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			return middleware.Result{}, call.Stream(ctx, middleware.Chunk{Text: []byte("four")})
		}); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if report := ledgertest.Verify(t, l.dir, ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))); !report.Intact() {
		t.Fatal(report.First)
	}
	l.entries = ledgertest.Entries(t, l.dir)
	return &l
}

// sessions returns the session keys in their order.
func (l *recorded) sessions(t *testing.T) (keys []ed25519.PublicKey) {
	for _, e := range l.entries {
		if e.Record.Kind == record.KindSession {
			keys = append(keys, sessionKey(t, e.Envelope))
		}
	}
	return keys
}

// export writes the ledger as a tile log with its entries.
func (l *recorded) export(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "tiles")
	if _, err := evidence.ExportTiles(dir, l.dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// modes are the ways to sign, one after the other.
var modes = [][]record.Signing{
	{record.SignRecords, record.SignCheckpoints},
	{record.SignCheckpoints, record.SignRecords},
}

// TestInteropFsck has Tessera's fsck check the tiles, entries and checkpoint of
// ledgers.
func TestInteropFsck(t *testing.T) {
	fsck := tool(t, "fsck")
	for _, mode := range modes {
		t.Run(string(mode[1]), func(t *testing.T) {
			l := recordRuns(t, 20, mode...)
			if n := len(l.entries); n < 3*256 || n%256 == 0 {
				t.Fatalf("%d records leave no complete and partial tiles", n)
			}
			keys := l.sessions(t)
			vkey, err := tiles.VerifierKey(l.origin, keys[len(keys)-1])
			if err != nil {
				t.Fatal(err)
			}
			pub := filepath.Join(t.TempDir(), "vkey")
			if err := os.WriteFile(pub, []byte(vkey), 0o600); err != nil {
				t.Fatal(err)
			}
			// It exits with 0 whatever it finds, and looks for a file that is not
			// there until its time is up.
			check := func(t *testing.T, dir string, limit time.Duration) error {
				out, err := run(t, limit, fsck, "--storage_url", "file://"+dir, "--public_key", pub, "--origin", l.origin, "--ui=false", "-v=1")
				if err == nil && (strings.Contains(out, "fsck failed") || !strings.Contains(out, "Completed ranges")) {
					err = errors.New(out)
				}
				return err
			}
			if err := check(t, l.export(t), time.Minute); err != nil {
				t.Fatalf("an intact ledger: %v", err)
			}
			last := int64(len(l.entries) / 256)
			for _, tc := range []struct {
				name   string
				damage func(dir string)
			}{
				{"byte of a complete bundle", func(dir string) { ledgertest.Flip(t, filepath.Join(dir, tiles.BundlePath(1, 256)), 1000, 1) }},
				{"byte of a partial bundle", func(dir string) {
					ledgertest.Flip(t, filepath.Join(dir, tiles.BundlePath(last, len(l.entries)%256)), 1000, 1)
				}},
				{"byte of a tile", func(dir string) { ledgertest.Flip(t, filepath.Join(dir, tiles.TilePath(0, 2, 256)), 99, 1) }},
				{"byte of the top tile", func(dir string) { ledgertest.Flip(t, filepath.Join(dir, tiles.TilePath(1, 0, int(last))), 1, 1) }},
				{"bundle removed", func(dir string) {
					if err := os.Remove(filepath.Join(dir, tiles.BundlePath(1, 256))); err != nil {
						t.Fatal(err)
					}
				}},
				{"checkpoint of another root", func(dir string) { editCheckpoint(t, dir, 2, strings.Repeat("A", 43)+"=") }},
				{"checkpoint of another size", func(dir string) { editCheckpoint(t, dir, 1, "768") }},
			} {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					dir := l.export(t)
					tc.damage(dir)
					if err := check(t, dir, 5*time.Second); err == nil {
						t.Error("fsck passes")
					}
				})
			}
		})
	}
}

// editCheckpoint replaces a line of a directory's checkpoint.
func editCheckpoint(t *testing.T, dir string, line int, text string) {
	path := filepath.Join(dir, "checkpoint")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	lines[line] = text
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestInteropCosign has cosign verify single records.
func TestInteropCosign(t *testing.T) {
	cosign := tool(t, "cosign")
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pub := func(key ed25519.PublicKey) string {
		return file(record.KeyID(key), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: ledgertest.PKIX(key)}))
	}
	l := recordRuns(t, 1, record.SignRecords, record.SignRecords)
	stranger := pub(ledgertest.Public(ledgertest.Key(9)))
	var session string
	roots := []string{pub(ledgertest.Public(ledgertest.Key(1))), pub(ledgertest.Public(ledgertest.Key(2)))}
	seen := make(map[record.Kind]int)
	for i, e := range l.entries {
		kind := e.Record.Kind
		var keys []string
		switch {
		case kind == record.KindSession && seen[record.KindRotate] == 0:
			keys = roots[:1]
		case kind == record.KindSession:
			keys = roots[1:]
		case kind == record.KindRotate:
			keys = roots
		default:
			keys = []string{session}
		}
		if kind == record.KindSession {
			session = pub(sessionKey(t, e.Envelope))
		}
		if seen[kind]++; seen[kind] > 1 && kind != record.KindSession {
			continue // one is enough, but for both root keys
		}
		signed := file(fmt.Sprintf("%d.json", i), e.Envelope)
		verify := func(signed, key, kind, digest string) (string, error) {
			return run(t, time.Minute, cosign, "verify-blob-attestation", "--key", key, "--signature", signed, "--type", kind,
				"--digest", digest, "--digestAlg", "sha256", "--new-bundle-format=false", "--insecure-ignore-tlog")
		}
		digest := e.Subject.Digest.String()
		for _, key := range keys {
			if out, err := verify(signed, key, record.PredicateType, digest); err != nil {
				t.Errorf("%s: %v: %s", kind, err, out)
			}
		}
		payload := ledgertest.DecodePayload(t, e.Envelope)
		encoded := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
		mutated := bytes.Replace(payload, []byte(`"v":1`), []byte(`"v":2`), 1)
		for _, tc := range []struct{ name, record, key, kind, digest string }{
			{"mutated", file("mutated", bytes.Replace(e.Envelope, encoded(payload), encoded(mutated), 1)), keys[0], record.PredicateType, digest},
			{"stripped", file("stripped", regexp.MustCompile(`"signatures":.*`).ReplaceAll(e.Envelope, []byte(`"signatures":[]}`))), keys[0],
				record.PredicateType, digest},
			{"of another key", signed, stranger, record.PredicateType, digest},
			{"of another type", signed, keys[0], "urn:safeconduct:record:v2", digest},
			{"of another subject", signed, keys[0], record.PredicateType, strings.Repeat("0", 64)},
		} {
			if out, err := verify(tc.record, tc.key, tc.kind, tc.digest); err == nil {
				t.Errorf("%s, %s: accepted: %s", kind, tc.name, out)
			}
		}
	}
	for _, kind := range []record.Kind{record.KindSession, record.KindRotate, record.KindStart, record.KindIntent, record.KindOutcome, record.KindEnd} {
		if seen[kind] == 0 {
			t.Errorf("no %s was verified", kind)
		}
	}
}

// TestInteropNote opens each checkpoint that was published with the package of
// signed notes.
func TestInteropNote(t *testing.T) {
	for _, mode := range modes {
		l := recordRuns(t, 2, mode...)
		var known []note.Verifier
		for _, key := range l.sessions(t) {
			vkey, err := note.NewEd25519VerifierKey(l.origin, key)
			if err != nil {
				t.Fatal(err)
			}
			v, err := note.NewVerifier(vkey)
			if err != nil {
				t.Fatal(err)
			}
			known = append(known, v)
		}
		if len(l.published) < len(mode) {
			t.Errorf("got %d checkpoints of %d openings", len(l.published), len(mode))
		}
		for _, signed := range l.published {
			n, err := note.Open(signed, note.VerifierList(known...))
			if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
				t.Fatalf("got %+v, %v", n, err)
			}
			for i := range signed {
				if i == len(signed)-3 {
					continue // two bits of this one are spare, and the package does not look at them
				}
				b := slices.Clone(signed)
				b[i] ^= 1
				if n, err := note.Open(b, note.VerifierList(known...)); err == nil {
					t.Errorf("byte %d of %q: got %+v", i, b, n)
				}
			}
		}
	}
}

// TestInteropPython has the auditor's script verify ledgers of the Recorder, and
// the corpus.
func TestInteropPython(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an openssl for each of hundreds of signatures")
	}
	for _, name := range []string{"python3", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			missing.Skip(t, name, "%v", err)
		}
	}
	script := func(t *testing.T, args ...string) (string, int) {
		out, err := run(t, time.Minute, "python3", append([]string{"../examples/auditor/verify_ledger.py"}, args...)...)
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return out, exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out, 0
	}
	file := func(t *testing.T, content string) string {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err == nil {
			_, err = f.WriteString(content)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	key := func(t *testing.T, der []byte) string {
		return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	roots := []string{key(t, ledgertest.PKIX(ledgertest.Public(ledgertest.Key(1)))), key(t, ledgertest.PKIX(ledgertest.Public(ledgertest.Key(2))))}
	for _, mode := range modes {
		t.Run(string(mode[0]), func(t *testing.T) {
			l := recordRuns(t, 1, mode...)
			args := append([]string{l.dir}, roots...)
			args = append(args, "--ledger", l.origin)
			for _, signed := range l.published {
				args = append(args, "--checkpoint", file(t, string(signed)))
			}
			out, exit := script(t, args...)
			if want := fmt.Sprintf("is intact: %d records", len(l.entries)); exit != 0 || !strings.Contains(out, want) {
				t.Errorf("got exit %d, want 0 and %q: %s", exit, want, out)
			}
		})
	}
	for _, omit := range []bool{false, true} {
		t.Run(fmt.Sprintf("names that a model made up, left out: %v", omit), func(t *testing.T) {
			dir, _ := leak(t, evidence.Config{OmitMadeUp: omit}, leaked+"\n")
			if out, exit := script(t, append([]string{dir}, roots...)...); exit != 0 {
				t.Errorf("got exit %d: %s", exit, out)
			}
		})
	}
	t.Run("usage", func(t *testing.T) {
		ledger := "testdata/ledgers/intact-ledger"
		for _, args := range [][]string{
			{}, {ledger}, {ledger, roots[0], "--checkpoint"}, {ledger, roots[0], "--no-such-flag"},
			{"testdata/no-such-ledger", roots[0]}, {ledger, "testdata/no-such-key"}, {ledger, "testdata/payload.json"},
			{ledger, roots[0], "--checkpoint", "testdata/payload.json"},
		} {
			if out, exit := script(t, args...); exit != 2 {
				t.Errorf("%q: got exit %d, want 2: %s", args, exit, out)
			}
		}
	})
	dirs, err := filepath.Glob("testdata/ledgers/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("got %d ledgers, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want expectation
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			args := []string{dir}
			for _, k := range want.Keys {
				der, err := base64.StdEncoding.DecodeString(k)
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, key(t, der))
			}
			if want.Ledger != "" {
				args = append(args, "--ledger", want.Ledger)
			}
			for _, signed := range want.Checkpoints {
				args = append(args, "--checkpoint", file(t, signed))
			}
			if out, exit := script(t, args...); exit != want.Exit {
				t.Errorf("got exit %d, want %d: %s", exit, want.Exit, out)
			}
		})
	}
}
