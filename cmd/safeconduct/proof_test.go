package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
)

// A kept is a ledger that keeps contents, and the keys to it.
type kept struct {
	dir, private, public, payload string
	intent                        *record.Record // of a tool
}

// keeping makes a ledger that keeps contents.
func keeping(t *testing.T) kept {
	t.Helper()
	key, public := newKey(t)
	k := kept{dir: filepath.Join(t.TempDir(), "ledger"), private: strings.TrimSuffix(public, ".pub"), public: public}
	k.payload = filepath.Join(t.TempDir(), "payload.key")
	if code, _, stderr := safeconduct("keygen", "--payload", k.payload); code != exitDone {
		t.Fatalf("keygen: %s", stderr)
	}
	secret, err := trust.LoadPayloadKey(k.payload)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, k.dir, evidence.Config{Key: key, Ledger: "agents-test", Payloads: &evidence.Payloads{Key: func() []byte { return secret }}})
	ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Subject: "alice"})
	err = do(ctx, middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		return "42", nil, do(ctx, middleware.KindTool, "refund", says("done: "+hostile), r.Intercept)
	}, r.Intercept)
	if err != nil {
		t.Fatal(err)
	}
	shut(t, r)
	k.intent = k.record(t, record.KindIntent)
	return k
}

// record returns the last record of a kind that is about a tool, or of no call.
func (k *kept) record(t *testing.T, kind record.Kind) (found *record.Record) {
	t.Helper()
	for e, err := range evidence.Read(k.dir) {
		if err != nil {
			t.Fatal(err)
		}
		if r := e.Record; r.Kind == kind && (r.Call == nil || r.Call.Kind == "tool") {
			found = r
		}
	}
	if found == nil {
		t.Fatalf("there is no record of the kind %s", kind)
	}
	return found
}

// succeeds runs a command line that must exit with 0 and say nothing on stderr.
func succeeds(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := safeconduct(args...)
	if code != exitDone || stderr != "" {
		t.Fatalf("%q: got %d, %q, want %d", args, code, stderr, exitDone)
	}
	return stdout
}

// save writes what a command printed to a file.
func save(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProveAndVerifyProof(t *testing.T) {
	k := keeping(t)
	proof := save(t, "record.tlog-proof", succeeds(t, "prove", k.dir, k.intent.ID))
	golden(t, "verify_proof", succeeds(t, "verify-proof", proof, "--key", k.public, "--ledger", "agents-test"))
	golden(t, "verify_proof_json", succeeds(t, "verify-proof", proof, "--key", k.public, "--json"))

	outcome := k.record(t, record.KindOutcome)
	proof = save(t, "record.tlog-proof", succeeds(t, "reveal", k.dir, outcome.ID, "output", "--payload-key", k.payload))
	stdout := succeeds(t, "verify-proof", proof, "--key", k.public)
	checkPrintable(t, stdout)
	golden(t, "verify_proof_revealed", stdout)
	checkPrintable(t, succeeds(t, "verify-proof", proof, "--key", k.public, "--json"))

	_, another := newKey(t)
	for _, args := range [][]string{{"--key", another}, {"--key", k.public, "--ledger", "prod\u202e"}} {
		code, stdout, stderr := safeconduct(append([]string{"verify-proof", proof}, args...)...)
		if code != exitDamaged || stderr != "" || !strings.HasPrefix(stdout, "NOT PROVEN: ") {
			t.Errorf("%q: got %d, %q, %q, want %d", args, code, stdout, stderr, exitDamaged)
		}
		code, stdout, _ = safeconduct(append([]string{"verify-proof", proof, "--json"}, args...)...)
		if code != exitDamaged || !strings.Contains(stdout, `"proven": false`) {
			t.Errorf("%q --json: got %d, %q, want %d", args, code, stdout, exitDamaged)
		}
	}
	_, stdout, _ = safeconduct("verify-proof", proof, "--key", another)
	golden(t, "verify_proof_wrong_key", stdout)
}

func TestErase(t *testing.T) {
	k := keeping(t)
	commitment := k.intent.Input.Commitment
	golden(t, "erase", strings.ReplaceAll(succeeds(t, "erase", k.dir, commitment, "--key", k.private, "--reason", "GDPR Art. 17", "--authority", "alice"),
		commitment, "<commitment>"), k.dir, k.private)
	code, stdout, stderr := safeconduct("reveal", k.dir, k.intent.ID, "input", "--payload-key", k.payload)
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, `by authority of "alice": "GDPR Art. 17": safeconduct prove proves the rest`) {
		t.Errorf("reveal: got %d, %q, %q, want %d and who erased it", code, stdout, stderr, exitFailed)
	}
	stdout = succeeds(t, "verify", k.dir, "--key", k.public)
	if !strings.Contains(stdout, "erased      1 content that") {
		t.Errorf("verify: got\n%s\nwant it to say that one content is erased", stdout)
	}
	if stdout := succeeds(t, "inspect", k.dir); !strings.Contains(oneLine(stdout), "ERASED: content "+commitment+", by authority of alice: GDPR Art. 17") {
		t.Errorf("inspect: got\n%s\nwant it to say what was erased", stdout)
	}
}

// oneLine returns what was printed without its line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestRotate(t *testing.T) {
	k := keeping(t)
	_, next := newKey(t)
	stdout := succeeds(t, "rotate", k.dir, "--key", k.private, "--to", strings.TrimSuffix(next, ".pub"))
	golden(t, "rotate", stdout, k.dir, filepath.Dir(k.private), filepath.Dir(next))
	if code, _, _ := safeconduct("verify", k.dir, "--key", k.public); code != exitDamaged {
		t.Errorf("verify with the old key: got %d, want %d", code, exitDamaged)
	}
	stdout = succeeds(t, "verify", k.dir, "--key", k.public, "--key", next)
	if !strings.Contains(stdout, "sessions    3, 1 rotation of the root key") {
		t.Errorf("verify: got\n%s\nwant it to say that the root key changed", stdout)
	}
	code, _, stderr := safeconduct("rotate", k.dir, "--key", k.private, "--to", strings.TrimSuffix(next, ".pub"))
	if code != exitFailed || !strings.Contains(stderr, "), to which it was handed over: open it with that one") {
		t.Errorf("again: got %d, %q, want %d", code, stderr, exitFailed)
	}
	// What is advised after an erasure verifies what was handed over, once the key before has its name.
	stdout = succeeds(t, "erase", k.dir, k.intent.Input.Commitment, "--key", strings.TrimSuffix(next, ".pub"), "--reason", "r", "--authority", "a")
	advice := stdout[strings.Index(stdout, "safeconduct verify "):]
	advice, _, _ = strings.Cut(advice, "\n")
	args := strings.Fields(strings.Replace(advice, "KEY-1.pub", k.public, 1))
	if len(args) != 7 || !strings.Contains(stdout, "KEY-1.pub is the public half of the root key before that.") {
		t.Errorf("erase: got\n%s\nwant advice with both keys", stdout)
	}
	succeeds(t, args[1:]...)
	if stdout := succeeds(t, "inspect", k.dir); !strings.Contains(oneLine(stdout), "KEY: handed over to the root key ") {
		t.Errorf("inspect: got\n%s\nwant it to say that the root key changed", stdout)
	}
}

// Checkpoints that were kept show what happened to a ledger later.
func TestCheckpoint(t *testing.T) {
	k := keeping(t)
	old := save(t, "monday.checkpoint", succeeds(t, "checkpoint", k.dir))
	before := readSegment(t, k.dir)
	key, err := trust.LoadKey(k.private)
	if err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, k.dir, evidence.Config{Key: key}))
	newest := save(t, "tuesday.checkpoint", succeeds(t, "checkpoint", k.dir))
	succeeds(t, "verify", k.dir, "--key", k.public, "--checkpoint", old, "--checkpoint", newest)
	if vkey := succeeds(t, "checkpoint", k.dir, "--vkey"); !strings.HasPrefix(vkey, "agents-test+") || strings.Count(vkey, "\n") != 1 {
		t.Errorf("got %q, want a vkey", vkey)
	}
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{segmentPath(k.dir): before, filepath.Join(k.dir, "checkpoint"): text} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	succeeds(t, "verify", k.dir, "--key", k.public)
	code, stdout, _ := safeconduct("verify", k.dir, "--key", k.public, "--checkpoint", newest)
	if code != exitDamaged {
		t.Errorf("got %d, want %d", code, exitDamaged)
	}
	golden(t, "verify_rolled_back", stdout, k.dir)
}

func TestVerifyWithPolicy(t *testing.T) {
	k := keeping(t)
	key, err := trust.LoadPublicKey(k.public)
	if err != nil {
		t.Fatal(err)
	}
	policy := func(root trust.Root) string {
		root.Key = key
		p := trust.Policy{Ledgers: []trust.Ledger{{Origin: "agents-test", Roots: []trust.Root{root}}}}
		text, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return save(t, "trust.json", string(text))
	}
	succeeds(t, "verify", k.dir, "--policy", policy(trust.Root{}))
	code, stdout, _ := safeconduct("verify", k.dir, "--policy", policy(trust.Root{NotAfter: time.Now().Add(-time.Hour)}))
	if code != exitDamaged || !strings.HasPrefix(stdout, "NOT INTACT: record 1: expired_key") {
		t.Errorf("got %d, %q, want %d", code, stdout, exitDamaged)
	}
}

func TestProgress(t *testing.T) {
	k := keeping(t)
	code, stdout, stderr := safeconduct("verify", k.dir, "--key", k.public, "--progress")
	if code != exitDone || !strings.Contains(stderr, "100 %") || !strings.HasSuffix(stderr, " \r") || strings.Contains(stderr, "\n") {
		t.Errorf("got %d, %q, want the progress on a line that is cleared", code, stderr)
	}
	if !strings.HasPrefix(stdout, "intact\n") {
		t.Errorf("got %q, want the report", stdout)
	}
}

func TestExport(t *testing.T) {
	k := keeping(t)
	tmp := t.TempDir()
	file, dir := filepath.Join(tmp, "records.jsonl"), filepath.Join(tmp, "public")
	stdout := succeeds(t, "export", k.dir, "--dsse", file)
	if want := "7 records to "; !strings.HasPrefix(stdout, want) {
		t.Errorf("got %q, want %q", stdout, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(bytes.Join(readEnvelopes(t, k.dir), []byte("\n")), '\n'); !bytes.Equal(text, want) {
		t.Errorf("got %s, want %s", text, want)
	}
	if got := succeeds(t, "export", k.dir, "--dsse", "-"); got != string(text) {
		t.Errorf("got %s, want %s", got, text)
	}
	golden(t, "export_tiles", succeeds(t, "export", k.dir, "--tiles", dir), k.dir, tmp)
	for _, name := range []string{"checkpoint", "tile/0/000.p/7", "tile/entries/000.p/7"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestTail(t *testing.T) {
	dir, _ := ledger(t)
	all := slices.Collect(strings.Lines(succeeds(t, "tail", dir, "-n", "1000")))
	if len(all) != 51 {
		t.Errorf("got %d lines, want 51", len(all))
	}
	checkPrintable(t, strings.Join(all, ""))
	golden(t, "tail", succeeds(t, "tail", dir), dir)
	for n, want := range map[string][]string{"0": nil, "1": all[50:], "3": all[48:], "51": all, strconv.Itoa(math.MaxInt/2 + 1): all} {
		if got := slices.Collect(strings.Lines(succeeds(t, "tail", "-n", n, dir))); !slices.Equal(got, want) {
			t.Errorf("-n %s: got %q, want %q", n, got, want)
		}
	}
	segment := flip(t, dir, 49)
	code, stdout, stderr := safeconduct("tail", writeSegment(t, segment[:len(segment)-100]))
	if code != exitDamaged || stderr != "" || strings.Count(stdout, "DAMAGE: segment 1, offset ") != 2 {
		t.Errorf("damaged: got %d, %q, %q, want %d", code, stdout, stderr, exitDamaged)
	}
}

// What comes is shown until the context ends.
func TestTailFollows(t *testing.T) {
	k := keeping(t)
	key, err := trust.LoadKey(k.private)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shown := make(chan struct{})
	out := &lines{at: map[int]func(){2: func() { close(shown) }, 3: cancel}}
	done := make(chan int)
	var stderr bytes.Buffer
	go func() { done <- run(ctx, []string{"tail", "-f", "-n", "2", k.dir}, out, &stderr) }()
	<-shown
	shut(t, open(t, k.dir, evidence.Config{Key: key}))
	select {
	case code := <-done:
		if code != exitDone || stderr.Len() > 0 {
			t.Errorf("got %d, %q, want %d", code, &stderr, exitDone)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it did not end")
	}
	if got := strings.Count(out.String(), "\n"); got != 3 || !strings.Contains(out.String(), "key.session") {
		t.Errorf("got %q, want the last records and the one that came", out)
	}
}

// A lines calls a func when it has got so many lines.
type lines struct {
	bytes.Buffer
	n  int
	at map[int]func()
}

func (l *lines) Write(b []byte) (int, error) {
	for range bytes.Count(b, []byte("\n")) {
		l.n++
		if f := l.at[l.n]; f != nil {
			f()
		}
	}
	return l.Buffer.Write(b)
}
