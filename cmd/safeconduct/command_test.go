package main

import (
	"bytes"
	"context"
	"io"
	"runtime/debug"
	"strings"
	"testing"
)

// safeconduct runs a command line.
func safeconduct(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
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
		{"tail", "-h"}, {"prove", "-h"}, {"reveal", "-h"}, {"verify-proof", "-h"}, {"checkpoint", "-h"}, {"export", "-h"}, {"serve", "-h"},
		{"rotate", "-h"}, {"succeed", "-h"}, {"erase", "-h"},
		{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"completion", "powershell"},
	} {
		code, stdout, stderr := safeconduct(args...)
		if code != exitDone || stdout == "" || stderr != "" {
			t.Errorf("%q: got %d, %d bytes, %q, want %d and output", args, code, len(stdout), stderr, exitDone)
		}
	}
}

// Each command says what it does, how it exits, and how it is used.
func TestEachCommandTeaches(t *testing.T) {
	root := newRoot(io.Discard, io.Discard)
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue // cobra's own words
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.UsageString()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%s: got a line of %d characters: %s", cmd.Name(), n, line)
			}
		}
		if cmd == root {
			continue
		}
		if cmd.Short == "" || cmd.Example == "" || !strings.Contains(cmd.Example, "safeconduct "+cmd.Name()) {
			t.Errorf("%s: got no short text, or no example", cmd.Name())
		}
		if cmd.Name() != "keygen" && !strings.Contains(cmd.Long, "Exit codes: 0 ") {
			t.Errorf("%s: got %q, want the exit codes", cmd.Name(), cmd.Long)
		}
	}
}

func TestCompletionsOfArguments(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"v"}, "verify\t"},
		{[]string{"verify-"}, "verify-proof\t"},
		{[]string{"verify", ""}, ":16"},      // directories
		{[]string{"inspect", "x", ""}, ":4"}, // nothing
		{[]string{"succeed", "x", ""}, ":16"},
		{[]string{"succeed", "x", "y", ""}, ":4"},
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
