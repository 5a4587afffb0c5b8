package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

func TestVerifyIntact(t *testing.T) {
	dir, public := ledger(t)
	code, stdout, stderr := safeconduct("verify", dir, "--key", public, "--ledger", "agents-test")
	if code != exitDone || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "verify", stdout, dir)

	code, stdout, stderr = safeconduct("verify", dir, "--key", public, "--json")
	if code != exitDone || stderr != "" {
		t.Errorf("--json: got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "verify_json", stdout, dir)
}

func TestVerifyWithSeveralKeys(t *testing.T) {
	dir, public := ledger(t)
	_, another := newKey(t)
	if code, _, stderr := safeconduct("verify", dir, "--key", another, "--key", public); code != exitDone {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
}

func TestVerifyDamaged(t *testing.T) {
	dir, public := ledger(t)
	_, another := newKey(t)
	segment, envelopes := readSegment(t, dir), readEnvelopes(t, dir)
	other, _ := ledger(t)
	otherKey := readEnvelopes(t, other)

	unsigned := slices.Clone(envelopes)
	at := bytes.Index(unsigned[4], []byte(`"signatures":[`))
	unsigned[4] = append(slices.Clone(unsigned[4][:at]), `"signatures":[]}`...)
	swapped := slices.Clone(envelopes)
	swapped[6], swapped[7] = swapped[7], swapped[6]

	for _, tt := range []struct {
		name   string
		dir    string
		args   []string
		damage record.Damage
		record uint64
	}{
		{"flipped byte", writeSegment(t, flip(t, dir, 21)), nil, record.DamageEdited, 21},
		{"removed", writeLedger(t, slices.Delete(slices.Clone(envelopes), 4, 7)...), nil, record.DamageRemoved, 5},
		{"reordered", writeLedger(t, swapped...), nil, record.DamageReordered, 7},
		{"replayed", writeLedger(t, slices.Insert(slices.Clone(envelopes), 9, envelopes[3])...), nil, record.DamageReplayed, 10},
		{"truncated", writeSegment(t, segment[:len(segment)-100]), nil, record.DamageTruncated, uint64(len(envelopes))},
		{"unsigned", writeLedger(t, unsigned...), nil, record.DamageUnsigned, 5},
		{"another key's record", writeLedger(t, slices.Insert(slices.Clone(envelopes), 2, otherKey[2])...), nil, record.DamageUnknownKey, 3},
		{"wrong key", dir, []string{"--key", another}, record.DamageUnknownKey, 1},
		{"wrong ledger", dir, []string{"--key", public, "--ledger", "agents-\u202eprod"}, record.DamageSpliced, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.args == nil {
				tt.args = []string{"--key", public}
			}
			args := append([]string{"verify", tt.dir}, tt.args...)
			code, stdout, stderr := safeconduct(args...)
			if code != exitDamaged || stderr != "" {
				t.Errorf("got %d, %q, want %d", code, stderr, exitDamaged)
			}
			if !strings.HasPrefix(stdout, "NOT INTACT: ") {
				t.Errorf("got %q, want it to begin with NOT INTACT", stdout)
			}
			checkPrintable(t, stdout)
			golden(t, "verify_"+strings.NewReplacer(" ", "_", "'", "").Replace(tt.name), stdout, tt.dir)

			code, stdout, stderr = safeconduct(append(args, "--json")...)
			if code != exitDamaged || stderr != "" {
				t.Errorf("--json: got %d, %q, want %d", code, stderr, exitDamaged)
			}
			var got struct {
				Intact *bool
				evidence.Report
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			checkPrintable(t, stdout)
			switch {
			case got.Intact == nil || *got.Intact:
				t.Error("--json: got intact, want not")
			case got.First == nil || got.First.Damage != tt.damage || tt.record > 0 && got.First.Record != tt.record:
				t.Errorf("--json: got %+v first, want record %d %s", got.First, tt.record, tt.damage)
			}
		})
	}
}

// A ledger whose first writer came no further, or of which nothing was received, is
// not damaged: there is nothing to check.
func TestVerifyOfAnEmptyLedger(t *testing.T) {
	_, public := newKey(t)
	bare := t.TempDir()
	if err := os.Mkdir(filepath.Join(bare, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"no record": writeLedger(t), "no byte": writeSegment(t, nil), "no segment": bare,
		"half a record": writeSegment(t, append(readSegment(t, writeLedger(t)), "\x00\x00\x04\x00sums{\"pay"...)),
	} {
		for _, args := range [][]string{{"verify", dir, "--key", public}, {"verify", dir, "--key", public, "--json"}} {
			code, stdout, stderr := safeconduct(args...)
			if code != exitEmpty || stdout != "" || !strings.Contains(stderr, "holds no record yet") {
				t.Errorf("%s: got %d, %q, %q, want %d", name, code, stdout, stderr, exitEmpty)
			}
		}
	}
}

// Each message says which file it is about and what to do.
func TestMessagesNameTheFile(t *testing.T) {
	dir, public := ledger(t)
	none := filepath.Join(t.TempDir(), "none.checkpoint")
	if err := os.WriteFile(none, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	odd, _ := ledger(t)
	if err := errors.Join(os.Remove(filepath.Join(odd, "checkpoint")), os.Mkdir(filepath.Join(odd, "checkpoint"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"verify", dir, "--key", public, "--ledger", ""}, []string{"--ledger is empty"}},
		{[]string{"verify", dir, "--key", public, "--checkpoint", ""}, []string{"--checkpoint is empty"}},
		{[]string{"verify", dir, "--key", public, "--checkpoint", none}, []string{none, "not a checkpoint", "safeconduct checkpoint wrote"}},
		{[]string{"verify-proof", none, "--key", public}, []string{none, "prove or reveal"}},
		{[]string{"rotate", dir, "--key", public, "--to", public}, []string{public, "is a public key", "--key wants the private key"}},
		{[]string{"tail", dir, "-n", "x"}, []string{`"x"`, "-n, --lines", "no number"}},
		{[]string{"verify", dir, "--policy", ""}, []string{"--policy is empty"}},
		{[]string{"export", dir, "--tiles", public}, []string{public, "not a directory: give another path to write to"}},
		{[]string{"export", public, "--tiles", dir}, []string{public, "the directory that evidence.Open was given"}},
		{[]string{"prove", dir, "none"}, []string{"safeconduct: prove: \"none\": ledger ", "inspect"}},
		{[]string{"resend", dir, "Other"}, []string{"safeconduct: resend: an exporter cannot be called", "lower-case letters"}},
		{[]string{"verify", odd, "--key", public}, []string{odd, "checkpoint: is not a regular file", "move away"}},
	} {
		code, stdout, stderr := safeconduct(tt.args...)
		if code != exitFailed || stdout != "" {
			t.Errorf("%q: got %d, %q", tt.args, code, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: got %q, want it to say %q", tt.args, stderr, want)
			}
		}
		for _, not := range []string{"strconv", "evidence:", "chmod", "verify: verify:", "export: export:"} {
			if strings.Contains(stderr, not) {
				t.Errorf("%q: got %q, which says %q", tt.args, stderr, not)
			}
		}
	}
}

// What a report says beyond that of a ledger in good order.
func TestVerifyOfOddities(t *testing.T) {
	dir, public := odd(t)
	code, stdout, stderr := safeconduct("verify", dir, "--key", public)
	if code != exitDamaged || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDamaged)
	}
	golden(t, "verify_odd", stdout, dir)

	key, public := newKey(t)
	f := newForger(t, key, 1)
	f.gap(12, "the disk was full")
	dir = writeLedger(t, f.envelopes...)
	code, stdout, stderr = safeconduct("verify", dir, "--key", public)
	if code != exitDone || stderr != "" {
		t.Errorf("gap: got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "verify_gap", stdout, dir)
}

// A new kind of damage needs its words here.
func TestEachDamageHasAMeaning(t *testing.T) {
	for _, d := range []record.Damage{
		record.DamageEdited, record.DamageTruncated, record.DamageRemoved, record.DamageReordered,
		record.DamageReplayed, record.DamageEquivocation, record.DamageSpliced, record.DamageUnknownKey,
		record.DamageUnsigned, record.DamageNotCanonical, record.DamageMalformed, record.DamageOutcome,
		record.DamageInconsistent, record.DamageExpiredKey, record.DamageRewritten, record.DamageRolledBack,
		record.DamageTile,
	} {
		if got := meaning(d); !strings.HasPrefix(got, string(d)+": ") {
			t.Errorf("%s: got %q, want the word and what it means", d, got)
		}
	}
	if got, want := meaning("new\x1b"), `new\x1b`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVerifyChangesNothing(t *testing.T) {
	dir, public := ledger(t)
	before := readSegment(t, dir)
	safeconduct("verify", dir, "--key", public)
	safeconduct("inspect", dir)
	if !bytes.Equal(readSegment(t, dir), before) {
		t.Error("the ledger changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lock" && e.Name() != "segments" && e.Name() != "checkpoint" {
			t.Errorf("%s was left in the ledger", e.Name())
		}
	}
}
