package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// What FORMAT.md says that a ledger cannot show, as it says it.
const (
	limitKey      = "whoever owns the process, or the key, can write what they like"
	limitCut      = "A ledger that is **cut after a record that is signed**"
	limitStripped = "taking that signature away is such a cut"
	limitMiddle   = "a signature that is taken from a record in the middle of the ledger"
	limitTorn     = "An incomplete frame at the end is such a cut"
)

// An attempt is what somebody does to a ledger who knows the format, and what is said
// of it: by Verify, by the next honest writer, and by Verify after that.
type attempt struct {
	name  string
	do    func(s *scene)
	given bool // a checkpoint of the ledger as it was is kept elsewhere

	records, checkpoints verdict // of ledgers that are signed in this way
}

// A verdict is what is said of a ledger: "intact", also with what is no evidence, or
// the first damage and where it is. After the next writer has come it can also be
// "refused": Open does not go on. Where what is left is not what was written, and
// nothing says so, FORMAT.md says that this cannot be shown.
type verdict struct{ before, after, limit string }

// A scene is a ledger that somebody does something to.
type scene struct {
	t          testing.TB
	dir        string
	signing    record.Signing
	honest     *ledgertest.Forger
	checkpoint []byte
	tile       []byte   // its only one; nil where it has none
	envs       [][]byte // what the segments are to hold
}

// honestLedger makes a ledger of two writers, in which all is that can be. With more
// records than a tile has hashes, where it is long.
func honestLedger(t testing.TB, signing record.Signing, long bool) *ledgertest.Forger {
	f := ledgertest.NewForger(t)
	f.Signing = signing
	f.Open()
	f.Run("run-a", "shell") // records 2 to 5
	f.Seq += 2
	f.Gap(6, 7)             // record 6
	run := f.Begin("run-b") // 7
	call := run.Intent("mail")
	f.Renew() // 9
	run.Outcome(call, ledgertest.Done)
	run.End()                       // 11
	f.Rotate(ledgertest.Key(2))     // 12
	f.Open()                        // 13
	f.Run("run-c", "mail", "shell") // 14 to 19
	f.Erase()                       // 20
	f.Deliver(record.Range{From: 2, To: 3, Writer: f.Writer})
	f.Run("run-d", "mail") // 23 to 26
	for long && f.Tree.Size() < 300 {
		f.Run("run-"+f.ID(), "mail")
	}
	return f
}

func newScene(t testing.TB, signing record.Signing, long bool) *scene {
	t.Helper()
	f := honestLedger(t, signing, long)
	s := &scene{t: t, dir: ledgertest.Dir(t), signing: signing, honest: f, checkpoint: f.Checkpoint()}
	if long {
		f.Ledger().WriteTiles(t, s.dir)
		var err error
		if s.tile, err = os.ReadFile(s.path("tile/0/000")); err != nil {
			t.Fatal(err)
		}
	}
	s.reset()
	return s
}

// reset puts the ledger as its writers left it.
func (s *scene) reset() {
	s.t.Helper()
	l := ledgertest.Forgery{Envs: s.honest.Envs, Checkpoint: s.checkpoint}
	if s.tile != nil {
		l.Files = map[string][]byte{"tile/0/000": s.tile}
	}
	l.Write(s.t, s.dir)
	s.envs = slices.Clone(s.honest.Envs)
}

// put has the segment hold other records.
func (s *scene) put(envs ...[]byte) {
	s.t.Helper()
	s.envs = envs
	s.file("segments/00000000000000000001.seg", segmenttest.File(envs...))
}

func (s *scene) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// file puts a file in place.
func (s *scene) file(name string, content []byte) {
	s.t.Helper()
	path := s.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

// forget removes what says how far the ledger went.
func (s *scene) forget() {
	s.t.Helper()
	if err := errors.Join(os.RemoveAll(s.path("checkpoint")), os.RemoveAll(s.path("tile"))); err != nil {
		s.t.Fatal(err)
	}
}

// after returns a forger that goes on after the first n records, with a key that is
// none of the ledger's.
func (s *scene) after(n int) *ledgertest.Forger {
	f := goOn(s.t, s.honest.Envs[:n], ledgertest.Key(66))
	f.Signing = s.signing
	return f
}

// unsigned is a run of nobody's after the first n records.
func (s *scene) unsigned(n int) [][]byte {
	f := s.after(n)
	f.Signing = record.SignCheckpoints
	run := f.Begin("forged")
	run.Outcome(run.Intent("transfer_money"), ledgertest.Done)
	return f.Envs[n:]
}

// stolen is after, with the key of the session in force.
func (s *scene) stolen(n int) *ledgertest.Forger {
	f := s.after(n)
	f.Session = ledgertest.Key(13)
	return f
}

// verify returns what Verify says, in a few words.
func (s *scene) verify(given ...[]byte) (says string, report *evidence.Report) {
	report, err := evidence.Verify(s.dir, evidence.VerifyOptions{
		Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}, Checkpoints: given, Ledger: "prod",
	})
	if err != nil {
		return "error", nil
	}
	if !report.Intact() {
		return fmt.Sprintf("%s at %d", report.First.Damage, report.First.Record), report
	}
	says = "intact"
	for _, n := range []struct {
		n    uint64
		what string
	}{{report.Unsigned, "unsigned"}, {report.Astray, "astray"}, {report.Waiting, "waiting"}, {report.Cut, "cut"}, {report.Aside, "aside"}} {
		if n.n > 0 {
			says += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	if report.Torn > 0 {
		says += ", torn"
	}
	return says, report
}

// open has an honest writer come and go. Nothing here is about a disk that fails.
func (s *scene) open() error {
	cfg := evidence.Config{Key: ledgertest.Key(2), Signing: s.signing}
	do := func(op segmenttest.Op) error {
		if op.Name == "sync" || op.Name == "syncDir" {
			return nil
		}
		return op.Do()
	}
	r, err := evidence.OpenOn(s.dir, cfg, evidence.Disk{Do: do})
	if err != nil {
		return err
	}
	return r.Close(s.t.Context())
}

// proven returns how the records that a Report counts differ from those that were
// written: not at all, by an end that is missing, by signatures that are, or by
// records that nobody wrote.
func (s *scene) proven(report *evidence.Report) (differs string) {
	s.t.Helper()
	var there [][]byte
	for e, err := range evidence.Read(s.dir) {
		if uint64(len(there)) == report.Records || err != nil {
			break
		}
		if e.Record.Time.Before(ledgertest.DayOne.AddDate(0, 1, 0)) { // not of the honest writer that came
			there = append(there, e.Envelope)
		}
	}
	for i, env := range there {
		switch {
		case i >= len(s.honest.Envs) || !bytes.Equal(ledgertest.DecodePayload(s.t, env), ledgertest.DecodePayload(s.t, s.honest.Envs[i])):
			return "forged"
		case !bytes.Equal(env, s.honest.Envs[i]):
			differs = "stripped"
		}
	}
	if differs == "" && len(there) < len(s.honest.Envs) {
		differs = "cut"
	}
	return differs
}

// files returns all that the ledger's files hold, but for the lock, which is for people.
func (s *scene) files() string {
	var all strings.Builder
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "lock" {
			return nil //nolint:nilerr // some attempts leave what cannot be read
		}
		content, _ := os.ReadFile(path)
		_, err = fmt.Fprintf(&all, "%s %x\n", path, ledgertest.HashOf(string(content)))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all.String()
}

// claims returns how many records the checkpoint and the tiles are of, as far as they
// are there, whoever made them.
func (s *scene) claims() (n int) {
	if lines := strings.Split(string(s.read("checkpoint")), "\n"); len(lines) > 2 {
		n, _ = strconv.Atoi(lines[1])
	}
	if info, err := os.Stat(s.path("tile/0/000")); err == nil && info.Mode().IsRegular() {
		n = max(n, 256)
	}
	return n
}

func (s *scene) read(name string) []byte {
	if info, err := os.Stat(s.path(name)); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// wantLawful checks that what was done without a key is found, or is something that
// FORMAT.md says cannot be shown. It returns what judge does.
func (s *scene) wantLawful() (before, after, differs string) {
	s.t.Helper()
	claims, waits := s.claims(), len(s.read("overflow.seg")) > 0
	before, after, differs = s.judge()
	said := fmt.Sprintf("Verify says %s, and after the next writer %s; what is proven differs by %q", before, after, differs)
	intact := strings.HasPrefix(before, "intact")
	switch {
	case differs == "forged":
		s.t.Errorf("%s: nobody wrote that", said)
	case differs == "stripped" && s.signing == record.SignRecords:
		s.t.Errorf("%s: each record has its signature", said)
	case differs == "cut" && claims == len(s.honest.Envs) && intact:
		s.t.Errorf("%s: a checkpoint or a tile covers more", said)
	case intact && after == "refused" && differs == "":
		s.t.Errorf("%s: nothing is wrong with it", said)
	case intact || !strings.HasPrefix(after, "intact"):
	case waits && differs == "": // what was cut stands in the overflow
	case strings.HasPrefix(before, string(record.DamageTile)):
	case strings.HasPrefix(before, string(record.DamageTruncated)) && strings.Contains(after, "torn"):
	default:
		s.t.Errorf("%s: the damage is gone", said)
	}
	return before, after, differs
}

// judge has Verify look at the ledger, an honest writer come, and Verify look again,
// and returns what they say and how what is proven then differs from what was
// written. Whatever was done to the ledger: the two agree, a writer that refuses
// changes nothing, and what goes on is as intact as it was.
func (s *scene) judge(given ...[]byte) (before, after, differs string) {
	s.t.Helper()
	before, report := s.verify(given...)
	if report != nil && report.Intact() {
		differs = s.proven(report)
	}
	found, there := s.files(), report
	if err := s.open(); err != nil {
		if s.files() != found {
			s.t.Errorf("Open refused with %v and changed the ledger", err)
		}
		cut := strings.HasPrefix(before, string(record.DamageTruncated)) && strings.Contains(err.Error(), "its end was cut off")
		if len(given) == 0 && errors.Is(err, evidence.ErrOtherKey) && !strings.HasPrefix(before, "intact") && !cut {
			s.t.Errorf("Verify says %s, and Open that only the key is another: %v", before, err)
		}
		if !errors.Is(err, evidence.ErrDamaged) && !errors.Is(err, evidence.ErrOtherKey) {
			return before, "error", differs // of the system, or of no ledger
		}
		return before, "refused", differs
	}
	after, report = s.verify(given...)
	if report == nil {
		s.t.Errorf("Verify says %s, and after Open it cannot look", before)
		return before, after, differs
	}
	if !report.Intact() {
		if there != nil && there.Intact() {
			s.t.Errorf("Verify says %s, and after Open %s", before, after)
		}
		return before, after, differs
	}
	if there != nil && there.Waiting == 0 && report.Cut < there.Unsigned { // or what waits covers them
		s.t.Errorf("%d records were not signed, and %d were cut off", there.Unsigned, report.Cut)
	}
	return before, after, s.proven(report)
}

func TestForgers(t *testing.T) {
	format, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, limits, _ := strings.Cut(string(format), "## What it cannot show")
	limits, _, _ = strings.Cut(limits, "\n## ")
	run := func(t *testing.T, signing record.Signing, a attempt, want verdict, long bool) {
		t.Run(fmt.Sprintf("%s/%s", a.name, signing), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, signing, long)
			var given [][]byte
			if a.given {
				given = append(given, s.checkpoint)
			}
			a.do(s)
			before, after, differs := s.judge(given...)
			if before != want.before || after != want.after {
				t.Errorf("got %q, and %q after the next writer, want %q and %q", before, after, want.before, want.after)
			}
			if passes := differs != ""; passes != (want.limit != "") {
				t.Errorf("what is proven differs so from what was written: %q; want %q", differs, want.limit)
			}
			if !strings.Contains(limits, want.limit) {
				t.Errorf("FORMAT.md does not say %q", want.limit)
			}
			if differs == "forged" && want.limit != limitKey {
				t.Errorf("what nobody wrote counts: %s", after)
			}
		})
	}
	for _, a := range slices.Concat(withoutKey(), withCheckpoints(), withSessionKey()) {
		run(t, record.SignRecords, a, a.records, false)
		run(t, record.SignCheckpoints, a, a.checkpoints, false)
	}
	for _, a := range withTiles() {
		run(t, record.SignRecords, a, a.records, true)
		run(t, record.SignCheckpoints, a, a.checkpoints, true)
	}
}
