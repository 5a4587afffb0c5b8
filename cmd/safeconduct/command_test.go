package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// safeconduct runs a command line.
func safeconduct(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

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
	noSegment := filepath.Join(t.TempDir(), "ledger")
	if err := os.MkdirAll(filepath.Join(noSegment, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(tmp, "missing")
	other := writeSegment(t, []byte("safeconduct segment v2\n"))
	taken := file("taken.pub", "")

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

		{"verify", []string{"verify"}, "safeconduct: verify: no DIR given: see safeconduct verify --help"},
		{"verify two", []string{"verify", dir, "x", "--key", public}, `"x" is one too many`},
		{"verify empty dir name", []string{"verify", "", "--key", public}, "DIR is empty"},
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
		{"verify empty dir", []string{"verify", empty, "--key", public}, "is not a ledger: it has no segments: give the directory"},
		{"verify no segment", []string{"verify", noSegment, "--key", public}, "has no segment"},
		{"verify other version", []string{"verify", other, "--key", public}, "written by another version"},

		{"inspect", []string{"inspect"}, "safeconduct: inspect: no DIR given: see safeconduct inspect --help"},
		{"inspect two", []string{"inspect", dir, dir}, "one too many"},
		{"inspect flag", []string{"inspect", dir, "--key", public}, "unknown flag: --key"},
		{"inspect missing dir", []string{"inspect", missing}, "no such file or directory: check the path"},
		{"inspect file", []string{"inspect", public}, "not a directory"},
		{"inspect empty dir", []string{"inspect", empty}, "is not a ledger"},
		{"inspect other version", []string{"inspect", other}, "written by another version"},
		{"inspect unknown run", []string{"inspect", dir, "--run", "\x1b"}, `no run \x1b in the ledger ` + dir + ": safeconduct inspect " + dir + " shows all"},
		{"inspect unknown run json", []string{"inspect", dir, "--run", "x", "--json"}, "no run x in the ledger"},
		{"inspect empty run", []string{"inspect", dir, "--run", ""}, "--run is empty"},

		{"keygen", []string{"keygen"}, "safeconduct: keygen: no FILE given: see safeconduct keygen --help"},
		{"keygen two", []string{"keygen", "a", "b"}, `"b" is one too many`},
		{"keygen empty", []string{"keygen", ""}, "FILE is empty"},
		{"keygen pub", []string{"keygen", missing + ".pub"}, "would hold the private key"},
		{"keygen exists", []string{"keygen", lonely}, "file exists: give another name, keys are never overwritten"},
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
	if _, err := os.Stat(strings.TrimSuffix(taken, ".pub")); err == nil {
		t.Error("a private key was left behind without its public half")
	}
}

func TestUnreadableFilesCannotBeChecked(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
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

func TestNoArgumentsAreNoSuccess(t *testing.T) {
	code, stdout, stderr := safeconduct()
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "Usage:") {
		t.Errorf("got %d, %q, %q, want %d and the help on stderr", code, stdout, stderr, exitFailed)
	}
}

func TestHelpAndCompletions(t *testing.T) {
	for _, args := range [][]string{
		{"--help"}, {"help"}, {"help", "verify"}, {"verify", "--help"}, {"inspect", "-h"}, {"keygen", "-h"}, {"--version"},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
	} {
		code, stdout, stderr := safeconduct(args...)
		if code != exitDone || stdout == "" || stderr != "" {
			t.Errorf("%q: got %d, %d bytes, %q, want %d and output", args, code, len(stdout), stderr, exitDone)
		}
	}
}

func TestCompletionsOfArguments(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"v"}, "verify\t"},
		{[]string{"verify", ""}, ":16"},      // directories
		{[]string{"inspect", "x", ""}, ":4"}, // nothing
		{[]string{"verify", "x", "--k"}, "--key\t"},
	} {
		code, stdout, _ := safeconduct(append([]string{"__complete"}, tt.args...)...)
		if code != exitDone || !strings.Contains(stdout, tt.want) {
			t.Errorf("%q: got %d, %q, want %q", tt.args, code, stdout, tt.want)
		}
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.8"}
	if got, want := describe(info), "(devel), go1.26.8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	info.Main.Version = "v1.2.3"
	info.Settings = []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	if got, want := describe(info), "v1.2.3, commit abc (modified), go1.26.8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A brokenWriter takes some bytes and fails.
type brokenWriter struct {
	room int
	err  error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// An output that cannot be written is no success, whatever would have stood in it.
func TestOutputThatCannotBeWritten(t *testing.T) {
	dir, public := ledger(t)
	for _, args := range [][]string{
		{"keygen", filepath.Join(t.TempDir(), "key")},
		{"verify", dir, "--key", public},
		{"verify", dir, "--key", public, "--json"},
		{"inspect", dir},
		{"inspect", dir, "--json"},
	} {
		for _, room := range []int{0, 5000} {
			if room > 0 && args[0] != "inspect" {
				continue // it fits
			}
			var stderr bytes.Buffer
			if room == 5000 && !slices.Contains(args, "--json") {
				room = 1000
			}
			full := errors.New("no space left")
			if code := run(t.Context(), args, &brokenWriter{room, full}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
				t.Errorf("%q: got %d, %q, want %d and the error", args, code, &stderr, exitFailed)
			}
			if args[0] == "keygen" {
				continue // the key is there by now
			}
			stderr.Reset()
			if code := run(t.Context(), args, &brokenWriter{room, syscall.EPIPE}, &stderr); code != exitFailed || stderr.Len() > 0 {
				t.Errorf("%q into a broken pipe: got %d, %q, want %d and silence", args, code, &stderr, exitFailed)
			}
		}
	}
}

func TestInspectEndsWithItsContext(t *testing.T) {
	dir, _ := ledger(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"inspect", dir}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "context canceled") {
		t.Errorf("got %d, %q, want %d", code, &stderr, exitFailed)
	}
}
