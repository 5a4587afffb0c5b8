package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdviceIsAnAnswer: a command that fails names what is missing, and with that the
// same command does what it is for.
func TestAdviceIsAnAnswer(t *testing.T) {
	k := keeping(t)
	tmp := t.TempDir()
	in := func(name string) string { return filepath.Join(tmp, name) }
	policy, next := save(t, "policy.json", trustText(t, "agents-test", k.public)), in("next.key")
	succeeds(t, "keygen", next)
	readable := in("readable.key")
	pem, err := os.ReadFile(k.private)
	if err == nil {
		err = os.WriteFile(readable, pem, 0o644)
	}
	if err == nil {
		err = os.Chmod(readable, 0o644) // whatever the umask is
	}
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ledger(t)
	damaged := rewrite(t, k.dir)
	handed := keeping(t)
	succeeds(t, "rotate", handed.dir, "--key", handed.private, "--to", next)
	id, commitment := k.intent.ID, k.intent.Input.Commitment
	private := func() string { // is what chmod 600 makes of it
		if err := os.Chmod(readable, 0o600); err != nil {
			t.Fatal(err)
		}
		return readable
	}
	for _, tt := range []struct {
		without []string
		advice  string
		with    func() []string
		want    string // on stdout
	}{
		{[]string{"verify", k.dir}, "give --key FILE, the .pub file",
			func() []string { return []string{"verify", k.dir, "--key", k.public} }, "intact"},
		{[]string{"verify", k.dir}, "or --policy FILE", func() []string { return []string{"verify", k.dir, "--policy", policy} }, "intact"},
		{[]string{"verify", k.dir, "--key", k.private}, "did you mean " + k.public + "?",
			func() []string { return []string{"verify", k.dir, "--key", k.public} }, "intact"},
		{[]string{"verify", k.public, "--key", k.public}, "give the directory that evidence.Open was given",
			func() []string { return []string{"verify", k.dir, "--key", k.public} }, "intact"},
		{[]string{"verify", handed.dir, "--key", next + ".pub"}, "give each with its own --key",
			func() []string { return []string{"verify", handed.dir, "--key", next + ".pub", "--key", handed.public} }, "intact"},
		{[]string{"verify", k.dir, "--key", k.public, "--checkpoint", k.public}, "give a file that safeconduct checkpoint wrote",
			func() []string {
				kept := save(t, "kept.checkpoint", succeeds(t, "checkpoint", k.dir))
				return []string{"verify", k.dir, "--key", k.public, "--checkpoint", kept}
			}, "intact"},
		{[]string{"verify-proof", k.public, "--key", k.public}, "give a file that safeconduct prove or reveal printed",
			func() []string {
				proof := save(t, "record.proof", succeeds(t, "prove", k.dir, id))
				return []string{"verify-proof", proof, "--key", k.public}
			}, id},
		{[]string{"prove", k.dir, "x"}, "safeconduct inspect " + k.dir + " --json shows the IDs",
			func() []string { return []string{"inspect", k.dir, "--json"} }, id},
		{[]string{"prove", k.dir, "x"}, "it has no such record", func() []string { return []string{"prove", k.dir, id} }, "tlog-proof"},
		{[]string{"reveal", k.dir, id, "input"}, "give --payload-key FILE, which keygen --payload wrote",
			func() []string { return []string{"reveal", k.dir, id, "input", "--payload-key", k.payload} }, "tlog-proof"},
		{[]string{"reveal", k.dir, id, "input", "--payload-key", k.private}, "give the file that keygen --payload wrote",
			func() []string { return []string{"reveal", k.dir, id, "input", "--payload-key", k.payload} }, "tlog-proof"},
		{[]string{"reveal", other, intent(t, other), "input", "--payload-key", k.payload}, "safeconduct prove proves the rest",
			func() []string { return []string{"prove", other, intent(t, other)} }, "tlog-proof"},
		{[]string{"export", k.dir}, "give one of --dsse FILE and --tiles DIR",
			func() []string { return []string{"export", k.dir, "--dsse", in("all.ndjson")} }, ""},
		{[]string{"export", k.dir}, "give one of --dsse FILE and --tiles DIR",
			func() []string { return []string{"export", k.dir, "--tiles", in("tiles")} }, ""},
		{[]string{"export", k.dir, "--dsse", k.public}, "give another name",
			func() []string { return []string{"export", k.dir, "--dsse", in("again.ndjson")} }, ""},
		{[]string{"inspect", k.dir, "--run", "x"}, "safeconduct inspect " + k.dir + " shows all",
			func() []string { return []string{"inspect", k.dir} }, k.intent.Run},
		{[]string{"erase", k.dir, "x", "--key", k.private, "--authority", "a", "--reason", "r"},
			"safeconduct inspect " + k.dir + " --json shows them all",
			func() []string { return []string{"inspect", k.dir, "--json"} }, commitment},
		{[]string{"erase", k.dir, commitment, "--authority", "a", "--reason", "r"}, "give --key FILE, the private key",
			func() []string {
				return []string{"erase", k.dir, commitment, "--key", k.private, "--authority", "a", "--reason", "r"}
			}, "erased"},
		{[]string{"rotate", k.dir, "--key", readable, "--to", next}, "chmod 600 it",
			func() []string { return []string{"rotate", k.dir, "--key", private(), "--to", next} }, "new key"},
		{[]string{"rotate", other, "--key", k.private}, "give --to FILE",
			func() []string { return []string{"rotate", handed.dir, "--key", next, "--to", k.private} }, "new key"},
		{[]string{"checkpoint", damaged}, "safeconduct verify says more", nil, "unknown_key"},
		{[]string{"succeed", damaged, in("n"), "--reason", "r"}, "give --key FILE, the private key that keygen wrote",
			func() []string { return []string{"succeed", damaged, in("n"), "--key", k.private, "--reason", "r"} }, ""},
		{[]string{"succeed", other, handed.dir, "--key", k.private, "--reason", "r"}, "give the name of a new directory as NEW",
			func() []string { return []string{"succeed", other, in("m"), "--key", k.private, "--reason", "r"} }, ""},
		{[]string{"keygen", k.private}, "give another name", func() []string { return []string{"keygen", in("another.key")} }, "private key"},
		{[]string{"verfy"}, "did you mean verify?", func() []string { return []string{"verify", "--help"} }, "Usage"},
	} {
		code, stdout, stderr := safeconduct(tt.without...)
		if code == exitDone || !strings.Contains(oneLine(stdout+stderr), tt.advice) {
			t.Errorf("%q: got exit code %d and %q, want it to fail with the advice %q", tt.without, code, stdout+stderr, tt.advice)
		}
		if tt.with == nil { // it says what is wrong, and fails for that
			_, stdout, _ = safeconduct("verify", tt.without[1], "--key", k.public)
		} else {
			stdout = succeeds(t, tt.with()...)
		}
		if !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: got %q, want it to say %q", tt.advice, stdout, tt.want)
		}
	}
}
