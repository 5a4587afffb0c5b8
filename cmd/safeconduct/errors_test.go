package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/missing"
)

// What each wrong command line says: on one line, and nothing on stdout.
func TestErrors(t *testing.T) {
	dir, public := ledger(t)
	private := strings.TrimSuffix(public, ".pub")
	tmp := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pem, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	lonely := file("lonely.key", string(pem))
	empty := t.TempDir()
	missing := filepath.Join(tmp, "missing")
	other := writeSegment(t, []byte("safeconduct segment v2\n"))
	taken := file("taken.pub", "")
	kept, locked := keeping(t), keeping(t)
	rewritten := rewrite(t, kept.dir)
	otherPayload := filepath.Join(tmp, "other.payload")
	succeeds(t, "keygen", "--payload", otherPayload)
	fifo := makeFIFO(t)
	readable := file("readable.key", string(pem))
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	huge := file("huge", "c2sp.org/tlog-proof@v1\n")
	if err := os.Truncate(huge, 40<<20); err != nil {
		t.Fatal(err)
	}
	root, err := trust.LoadKey(locked.private)
	if err != nil {
		t.Fatal(err)
	}
	open(t, locked.dir, evidence.Config{Key: root})
	trusted, readers := file("trust.json", trustText(t, "agents-test", public)), file("clients.json", clientsText("agents-test"))
	serving := func(args ...string) []string {
		return append([]string{"serve", filepath.Join(tmp, "collected"), "--keys", readers, "--policy", trusted}, args...)
	}
	busy := listener(t)
	ledgers := []string{dir, kept.dir, rewritten, other, empty}
	before := contents(t, ledgers)

	for _, tt := range []struct {
		name string
		args []string
		want string // in the line
	}{
		{"unknown command", []string{"audit"}, `safeconduct: unknown command "audit": see safeconduct --help`},
		{"misspelled command", []string{"verfy"}, `safeconduct: unknown command "verfy": did you mean verify?`},
		{"unknown flag", []string{"--fast"}, "safeconduct: unknown flag: --fast: see safeconduct --help"},
		{"escaped", []string{"a\x1b[31m\n"}, `\x1b`},
		{"help", []string{"help", "audit"}, `no help for "audit"`},
		{"help of too much", []string{"help", "verify", "x"}, `no help for "verify x"`},
		{"completion", []string{"completion"}, "safeconduct: completion: no shell given"},
		{"completion shell", []string{"completion", "bsh"}, `unknown command "bsh": did you mean bash`},

		{"verify", []string{"verify"}, "safeconduct: verify: no LEDGER given: see safeconduct verify --help"},
		{"verify two", []string{"verify", dir, "x", "--key", public}, `"x" is one too many`},
		{"verify empty dir name", []string{"verify", "", "--key", public}, "LEDGER is empty"},
		{"verify flag", []string{"verify", dir, "--keys", public}, "verify: unknown flag: --keys: see safeconduct verify --help"},
		{"verify key without value", []string{"verify", dir, "--key"}, "flag needs an argument: --key"},
		{"verify json", []string{"verify", dir, "--json=please"}, "invalid argument"},
		{"verify without key", []string{"verify", dir}, "no key to trust: give --key FILE"},
		{"verify empty key name", []string{"verify", dir, "--key", ""}, "--key is empty"},
		{"verify missing key", []string{"verify", dir, "--key", missing}, "no such file or directory: give the .pub file"},
		{"verify second key missing", []string{"verify", dir, "--key", public, "--key", missing}, "no such file"},
		{"verify private key", []string{"verify", dir, "--key", private}, "holds a private key, where a public key belongs: did you mean " + public + "?"},
		{"verify private key alone", []string{"verify", dir, "--key", lonely}, "holds a private key, where a public key belongs: give the .pub file"},
		{"verify empty key", []string{"verify", dir, "--key", file("empty", "")}, "is empty: give the .pub file"},
		{"verify no key", []string{"verify", dir, "--key", file("text", "hello")}, "is not in PEM: give the .pub file"},
		{"verify key dir", []string{"verify", dir, "--key", tmp}, "is not a regular file"},
		{"verify missing dir", []string{"verify", missing, "--key", public}, "no such file or directory: check the path"},
		{"verify file", []string{"verify", public, "--key", public}, "not a directory: give the directory that evidence.Open was given"},
		{"verify empty dir", []string{"verify", empty, "--key", public}, "not a ledger: it has no segments: give the directory"},
		{"verify other version", []string{"verify", other, "--key", public}, "written by another version"},

		{"verify policy missing", []string{"verify", dir, "--policy", missing}, "no such file or directory: see --policy"},
		{"verify policy that is none", []string{"verify", dir, "--policy", file("policy", "{}")}, "version 0 is not known"},
		{"verify policy without a name", []string{"verify", dir, "--policy", ""}, "--policy is empty"},
		{"verify checkpoint missing", []string{"verify", dir, "--key", public, "--checkpoint", missing},
			"no such file or directory: give a file that safeconduct checkpoint wrote"},
		{"verify checkpoint that is none", []string{"verify", dir, "--key", public, "--checkpoint", public}, "is not a checkpoint: give a file"},
		{"verify checkpoint fifo", []string{"verify", dir, "--key", public, "--checkpoint", fifo}, "is not a regular file"},
		{"verify key fifo", []string{"verify", dir, "--key", fifo}, "is not a regular file"},
		{"verify ledger fifo", []string{"verify", fifo, "--key", public}, "not a directory"},
		{"verify truncated key", []string{"verify", dir, "--key", file("cut.pub", "-----BEGIN PUBLIC KEY-----\nMCow")}, "is not in PEM"},

		{"verify-proof", []string{"verify-proof"}, "safeconduct: verify-proof: no PROOF given"},
		{"verify-proof without key", []string{"verify-proof", public}, "no key to trust"},
		{"verify-proof missing", []string{"verify-proof", missing, "--key", public}, "no such file or directory: give a file that safeconduct prove"},
		{"verify-proof of something else", []string{"verify-proof", public, "--key", public}, "not a tlog-proof"},
		{"verify-proof of a ledger", []string{"verify-proof", dir, "--key", public}, "is not a regular file"},
		{"verify-proof fifo", []string{"verify-proof", fifo, "--key", public}, "is not a regular file"},
		{"verify-proof huge", []string{"verify-proof", huge, "--key", public}, "is larger than 33.6 MB"},

		{"prove", []string{"prove"}, "safeconduct: prove: no LEDGER given"},
		{"prove nothing", []string{"prove", dir}, "no RECORD-ID given"},
		{"prove too much", []string{"prove", dir, "x", "y"}, `"y" is one too many`},
		{"prove unknown record", []string{"prove", dir, "x\x1b"}, "it has no such record: safeconduct inspect " + dir + " --json shows the IDs"},
		{"prove missing dir", []string{"prove", missing, "x"}, "no such file or directory: check the path"},
		{"prove file", []string{"prove", public, "x"}, "not a directory"},
		{"prove empty dir", []string{"prove", empty, "x"}, "not a ledger"},
		{"prove other version", []string{"prove", other, "x"}, "it has no checkpoint"},
		{"prove damaged", []string{"prove", rewritten, kept.intent.ID},
			"the ledger is damaged: its first 7 records are not those that its checkpoint covers: safeconduct verify says more"},

		{"reveal no field", []string{"reveal", dir, "x"}, "no FIELD given"},
		{"reveal no key", []string{"reveal", dir, "x", "input"}, "give --payload-key FILE"},
		{"reveal unknown field", []string{"reveal", dir, "x", "password", "--payload-key", kept.payload}, `no field is called "password"`},
		{"reveal root key", []string{"reveal", dir, "x", "input", "--payload-key", private},
			"is in PEM: that is another kind of key: give the file that keygen --payload wrote"},
		{"reveal not kept", []string{"reveal", dir, intent(t, dir), "input", "--payload-key", kept.payload}, "the input was not kept, or is not written yet"},
		{"reveal another key", []string{"reveal", kept.dir, kept.intent.ID, "input", "--payload-key", otherPayload}, "this is not its key"},
		{"reveal what is not there", []string{"reveal", kept.dir, kept.intent.ID, "output", "--payload-key", kept.payload},
			`of the kind intent, has no "output"`},

		{"checkpoint", []string{"checkpoint"}, "no LEDGER given"},
		{"checkpoint missing dir", []string{"checkpoint", missing}, "check the path"},
		{"checkpoint of none", []string{"checkpoint", other}, "it has no checkpoint"},
		{"checkpoint damaged", []string{"checkpoint", rewritten}, "safeconduct verify says more"},

		{"export nothing", []string{"export", dir}, "give one of --dsse FILE and --tiles DIR"},
		{"export both", []string{"export", dir, "--dsse", missing, "--tiles", missing}, "give one of"},
		{"export missing dir", []string{"export", missing, "--dsse", missing}, "check the path"},
		{"export over a file", []string{"export", dir, "--dsse", public}, "file exists: give another name, nothing is overwritten"},
		{"export over a dir", []string{"export", dir, "--tiles", tmp}, "give another name, nothing is overwritten"},
		{"export into the ledger", []string{"export", dir, "--tiles", dir}, "give another name, nothing is overwritten"},
		{"export damaged", []string{"export", rewritten, "--tiles", missing}, "the ledger is damaged"},
		{"export damaged lines", []string{"export", writeSegment(t, flip(t, dir, 5)), "--dsse", missing}, "the ledger is damaged: segment 1, offset "},

		{"tail", []string{"tail"}, "no LEDGER given"},
		{"tail negative", []string{"tail", dir, "-n", "-1"}, "-n is negative"},
		{"tail missing dir", []string{"tail", missing}, "check the path"},
		{"tail follow missing dir", []string{"tail", "-f", missing}, "check the path"},
		{"tail other version", []string{"tail", other}, "written by another version"},

		{"erase no commitment", []string{"erase", dir}, "no COMMITMENT given"},
		{"erase no reason", []string{"erase", dir, "x", "--key", private, "--authority", "a"}, "--reason must be a text of 1 to 512 bytes"},
		{"erase long authority", []string{"erase", dir, "x", "--key", private, "--authority", strings.Repeat("a", 513), "--reason", "r"},
			"--authority must be a text of 1 to 512 bytes"},
		{"erase no key", []string{"erase", dir, "x", "--authority", "a", "--reason", "r"}, "give --key FILE, the private key"},
		{"erase public key", []string{"erase", dir, "x", "--key", public, "--authority", "a", "--reason", "r"},
			"--key wants the private key that keygen wrote"},
		{"erase unknown", []string{"erase", dir, "x", "--key", private, "--authority", "a", "--reason", "r"}, "holds the commitment x: safeconduct inspect"},
		{"erase a dash", []string{"erase", dir, "-" + strings.Repeat("A", 42), "--key", private, "--authority", "a", "--reason", "r"},
			"holds the commitment -AAA"},
		{"erase two dashes, last", []string{"erase", "--key", private, "--authority", "a", "--reason", "r", dir, "--" + strings.Repeat("A", 41)},
			"holds the commitment --AAA"},
		{"erase a misspelt flag", []string{"erase", dir, "x", "--" + strings.Repeat("A", 40)}, "unknown flag"},
		{"erase a reason with a dash", []string{"erase", dir, "x", "--key", private, "--authority", "a", "--reason", "-" + strings.Repeat("A", 42)},
			"holds the commitment x"},
		{"erase missing dir", []string{"erase", missing, "x", "--key", private, "--authority", "a", "--reason", "r"}, "check the path"},
		{"erase another key", []string{"erase", kept.dir, kept.intent.Input.Commitment, "--key", private, "--authority", "a", "--reason", "r"},
			": signed by another key ("},

		{"rotate no key", []string{"rotate", dir}, "give --key FILE"},
		{"rotate no next key", []string{"rotate", dir, "--key", private}, "give --to FILE"},
		{"rotate same key", []string{"rotate", dir, "--key", private, "--to", lonely}, "--key and --to are the same key"},
		{"rotate readable key", []string{"rotate", dir, "--key", private, "--to", readable}, "chmod 600 it: --to wants the private key"},
		{"rotate missing dir", []string{"rotate", missing, "--key", private, "--to", kept.private}, "check the path"},
		{"rotate empty dir", []string{"rotate", empty, "--key", private, "--to", kept.private}, "not a ledger"},
		{"rotate another key", []string{"rotate", kept.dir, "--key", private, "--to", kept.private}, ": signed by another key ("},
		{"rotate locked", []string{"rotate", locked.dir, "--key", locked.private, "--to", private}, "stop that process first"},
		{"succeed", []string{"succeed"}, "safeconduct: succeed: no OLD given: see safeconduct succeed --help"},
		{"succeed nothing", []string{"succeed", dir}, "no NEW given"},
		{"succeed too much", []string{"succeed", dir, "b", "c"}, `"c" is one too many`},
		{"succeed misspelled", []string{"succead", dir, "b"}, `unknown command "succead": did you mean succeed?`},
		{"succeed no reason", []string{"succeed", dir, missing, "--key", private}, "--reason must be a text of 1 to 512 bytes"},
		{"succeed no key", []string{"succeed", dir, missing, "--reason", "r"}, "give --key FILE, the private key that keygen wrote"},
		{"succeed public key", []string{"succeed", dir, missing, "--key", public, "--reason", "r"}, "--key wants the private key that keygen wrote"},
		{"succeed empty origin", []string{"succeed", dir, missing, "--key", private, "--reason", "r", "--ledger", ""}, "--ledger is empty"},
		{"succeed odd origin", []string{"succeed", dir, missing, "--key", private, "--reason", "r", "--ledger", "a b"}, "--ledger holds white space"},
		{"succeed same origin", []string{"succeed", dir, missing, "--key", private, "--reason", "r", "--ledger", "agents-test"},
			"two ledgers of one origin are a forgery to whoever verifies them"},
		{"succeed missing dir", []string{"succeed", missing, filepath.Join(tmp, "n"), "--key", private, "--reason", "r"}, "check the path"},
		{"succeed empty dir", []string{"succeed", empty, missing, "--key", private, "--reason", "r"}, "not a ledger"},
		{"succeed itself", []string{"succeed", dir, dir, "--key", private, "--reason", "r"}, "is not empty: give the name of a new directory as NEW"},
		{"succeed within", []string{"succeed", dir, filepath.Join(dir, "n"), "--key", private, "--reason", "r"}, "is within " + dir},
		{"succeed over a ledger", []string{"succeed", dir, kept.dir, "--key", private, "--reason", "r"}, "is not empty"},
		{"succeed over a file", []string{"succeed", dir, public, "--key", private, "--reason", "r"}, "is not a directory that can be read"},
		{"succeed nowhere", []string{"succeed", dir, filepath.Join(missing, "n"), "--key", private, "--reason", "r"}, "no directory to make it in"},

		{"keygen payload exists", []string{"keygen", "--payload", kept.payload}, "file exists: give another name"},

		{"inspect", []string{"inspect"}, "safeconduct: inspect: no LEDGER given: see safeconduct inspect --help"},
		{"inspect two", []string{"inspect", dir, dir}, "one too many"},
		{"inspect flag", []string{"inspect", dir, "--key", public}, "unknown flag: --key"},
		{"inspect missing dir", []string{"inspect", missing}, "no such file or directory: check the path"},
		{"inspect file", []string{"inspect", public}, "not a directory"},
		{"inspect empty dir", []string{"inspect", empty}, "not a ledger"},
		{"inspect other version", []string{"inspect", other}, "written by another version"},
		{"inspect unknown run", []string{"inspect", dir, "--run", "\x1b"}, `no run \x1b in the ledger ` + dir + ": safeconduct inspect " + dir + " shows all"},
		{"inspect unknown run json", []string{"inspect", dir, "--run", "x", "--json"}, "no run x in the ledger"},
		{"inspect empty run", []string{"inspect", dir, "--run", ""}, "--run is empty"},

		{"keygen", []string{"keygen"}, "safeconduct: keygen: no FILE given: see safeconduct keygen --help"},
		{"keygen two", []string{"keygen", "a", "b"}, `"b" is one too many`},
		{"keygen empty", []string{"keygen", ""}, "FILE is empty"},
		{"keygen pub", []string{"keygen", missing + ".pub"}, "would hold the private key"},
		{"keygen exists", []string{"keygen", lonely}, "file exists: give another name, keys are never overwritten"},
		{"serve", []string{"serve", "--keys", readers, "--policy", trusted}, "safeconduct: serve: no DIR given"},
		{"serve no keys", []string{"serve", tmp, "--policy", trusted}, "no keys given: give --keys FILE"},
		{"serve no policy", []string{"serve", tmp, "--keys", readers}, "no policy given: give --policy FILE"},
		{"serve missing keys", []string{"serve", tmp, "--keys", missing, "--policy", trusted}, "missing: no such file or directory: see --keys"},
		{"serve missing policy", []string{"serve", tmp, "--keys", readers, "--policy", missing}, "missing: no such file or directory: see --policy"},
		{"serve readable keys", []string{"serve", tmp, "--keys", readable, "--policy", trusted},
			"may be read or written by others (mode 0644): chmod 600 it: see --keys"},
		{"serve bad keys", []string{"serve", tmp, "--keys", file("bad.json", `{"version":1,"clients":[{"name":"x"}]}`), "--policy", trusted},
			"client 1: sha256 is not 64 lower-case hexadecimal digits: see --keys"},
		{"serve nobody", []string{"serve", tmp, "--keys", file("none.json", `{"version":1,"clients":[]}`), "--policy", trusted}, "none.json: names no client"},
		{"serve bad policy", []string{"serve", tmp, "--keys", readers, "--policy", readers}, "is not a member of the format: see --policy"},
		{"serve unknown ledger",
			[]string{"serve", filepath.Join(tmp, "collected"), "--keys", file("others.json", clientsText("nowhere")), "--policy", trusted},
			`safeconduct: serve: client "agent" may write "nowhere", which the policy does not name: see --keys and --policy`},
		{"serve everybody", serving("--listen", "0.0.0.0:0"), "others could read the keys that come to 0.0.0.0:0: give --tls-cert and --tls-key"},
		{"serve every address", serving("--listen", ":0"), "others could read the keys"},
		{"serve half TLS", serving("--tls-cert", public), "--tls-cert and --tls-key go together"},
		{"serve TLS and none", serving("--tls-cert", public, "--tls-key", private, "--no-tls"), "exclude each other"},
		{"serve missing certificate", serving("--tls-cert", missing, "--tls-key", private), "missing: no such file or directory: see --tls-cert"},
		{"serve missing TLS key", serving("--tls-cert", public, "--tls-key", missing), "missing: no such file or directory: see --tls-key"},
		{"serve bad TLS", serving("--tls-cert", public, "--tls-key", private), "are not a certificate and its key in PEM"},
		{"serve no address", serving("--listen", "nonsense"), "listen on nonsense: address nonsense: missing port in address: give another --listen"},
		{"serve busy address", serving("--listen", busy), "address already in use: give another --listen"},
		{"serve in a file", []string{"serve", filepath.Join(lonely, "x"), "--keys", readers, "--policy", trusted}, "not a directory: give another DIR"},

		{"keygen pub exists", []string{"keygen", strings.TrimSuffix(taken, ".pub")}, "taken.pub: file exists: give another name"},
		{"keygen no dir", []string{"keygen", filepath.Join(missing, "key")}, "no such file or directory: make the directory first"},
		{"keygen in a file", []string{"keygen", filepath.Join(lonely, "key")}, "not a directory: give a place that you may write to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := safeconduct(tt.args...)
			if code != exitFailed {
				t.Errorf("got exit code %d, want %d", code, exitFailed)
			}
			if stdout != "" {
				t.Errorf("got %q on stdout, want nothing", stdout)
			}
			if !strings.Contains(stderr, tt.want) {
				t.Errorf("got %q on stderr, want it to say %q", stderr, tt.want)
			}
			if !strings.HasPrefix(stderr, "safeconduct: ") || strings.Count(stderr, "\n") != 1 || !printable(strings.TrimSuffix(stderr, "\n")) {
				t.Errorf("got %q on stderr, want one printable line", stderr)
			}
		})
	}
	if after := contents(t, ledgers); !maps.Equal(after, before) {
		t.Error("something was written to a ledger")
	}
	if _, err := os.Stat(missing); err == nil {
		t.Errorf("%s was made", missing)
	}
	if _, err := os.Stat(strings.TrimSuffix(taken, ".pub")); err == nil {
		t.Error("a private key was left behind without its public half")
	}
}

// rewrite returns a copy of a ledger whose first record is another's.
func rewrite(t *testing.T, dir string) (copied string) {
	t.Helper()
	another, _ := ledger(t)
	envs := readEnvelopes(t, dir)
	envs[0] = readEnvelopes(t, another)[0]
	copied = writeLedger(t, envs...)
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err == nil {
		err = os.WriteFile(filepath.Join(copied, "checkpoint"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// intent returns the ID of an intent.
func intent(t *testing.T, dir string) string {
	t.Helper()
	k := kept{dir: dir}
	return k.record(t, record.KindIntent).ID
}

// contents returns all files below directories, but who holds the lock.
func contents(t *testing.T, dirs []string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == "lock" {
				return err
			}
			data, err := os.ReadFile(path)
			all[path] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestUnreadableFilesCannotBeChecked(t *testing.T) {
	if os.Geteuid() == 0 {
		missing.Skip(t, "a user", "root may read everything")
	}
	dir, public := ledger(t)
	for _, path := range []string{public, segmentPath(dir)} {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := safeconduct("verify", dir, "--key", public)
		if code != exitFailed || !strings.Contains(stderr, "permission denied: run as a user who may read it") {
			t.Errorf("%s: got %d, %q, want %d", path, code, stderr, exitFailed)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
