package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"pgregory.net/rapid"
)

func TestAttacks(t *testing.T) {
	for _, a := range attacks(t) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			dir := ledgertest.Dir(t)
			a.ledger.Write(t, dir)
			report, err := evidence.Verify(dir, a.options())
			if err != nil {
				t.Fatal(err)
			}
			a.judge(t, report)
		})
	}
}

func (a attack) judge(t *testing.T, report *evidence.Report) {
	t.Helper()
	switch {
	case strings.Contains(a.name, "intact") != (a.want == ""):
		t.Error("the name says otherwise")
	case a.want == "" && !report.Intact():
		t.Errorf("got %v, want it intact", report.First)
	case a.want == "":
	case report.Intact():
		t.Error("the ledger verifies")
	case report.First.Damage != a.want || report.First.Record != a.record:
		t.Errorf("got first %v, want record %d: %s", report.First, a.record, a.want)
	}
	if a.check != nil && !a.check(report) {
		t.Errorf("got report %+v", report)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
}

// Every bit of a checkpoint counts, the ledger's own or one from elsewhere.
func TestEveryBitFlipInACheckpointIsFound(t *testing.T) {
	t.Parallel()
	f := ledgertest.Base(t)
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	path := filepath.Join(dir, "checkpoint")
	for i := range f.Checkpoint() {
		for bit := i % 3; bit < 8; bit += 3 { // a third of them, for the time it takes
			ledgertest.Flip(t, path, int64(i), 1<<bit)
			if report := ledgertest.Verify(t, dir); report.Intact() || report.Checkpoint != nil {
				t.Errorf("byte %d, bit %d: got %v, checkpoint %v", i, bit, report.First, report.Checkpoint)
			}
			ledgertest.Flip(t, path, int64(i), 1<<bit)
			bad := f.Checkpoint()
			bad[i] ^= 1 << bit
			opts := attack{given: [][]byte{bad}}.options()
			if report, err := evidence.Verify(dir, opts); err == nil && report.Intact() {
				t.Errorf("byte %d, bit %d, from elsewhere: the ledger verifies", i, bit)
			}
		}
	}
	ledgertest.WantIntact(t, dir)
}

// Whatever is done to the records of a ledger with a checkpoint by somebody
// without a key, it does not verify.
func TestRandomDamageIsFound(t *testing.T) {
	f := ledgertest.Base(t)
	run := f.Begin("run-c")
	call := run.Intent("mail")
	f.Renew()
	run.Outcome(call, ledgertest.Done)
	run.End()
	f.Open()
	f.Signing = record.SignCheckpoints
	f.Open()
	f.Run("run-d", "mail")
	l := f.Ledger()
	dir := ledgertest.Dir(t)
	l.Write(t, dir)
	ledgertest.WantIntact(t, dir)
	rapid.Check(t, func(r *rapid.T) {
		envs := slices.Clone(l.Envs)
		for range rapid.IntRange(1, 3).Draw(r, "times") {
			envs = ledgertest.Spoil(r, envs)
			if len(envs) == 0 {
				return
			}
		}
		if slices.EqualFunc(envs, l.Envs, bytes.Equal) {
			return
		}
		ledgertest.Forgery{Envs: envs, Checkpoint: l.Checkpoint}.Write(t, dir)
		if report := ledgertest.Verify(t, dir); report.Intact() {
			r.Fatalf("the ledger verifies: %+v", report)
		}
	})
}

// 26: tiles are derived, and one that is wrong is named.
func TestTilesAreCompared(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	for f.Tree.Size() < 600 {
		f.Run("run-"+f.ID(), "mail")
	}
	for _, n := range []int{600, 512} {
		l := ledgertest.Forgery{Envs: f.Envs[:n]}
		dir := ledgertest.Dir(t)
		l.Write(t, dir)
		if report := ledgertest.WantIntact(t, dir); report.MissingTiles != 2 {
			t.Errorf("%d records without tiles: got %d missing, want 2", n, report.MissingTiles)
		}
		l.WriteTiles(t, dir)
		if report := ledgertest.WantIntact(t, dir); report.MissingTiles != 0 {
			t.Errorf("%d records with tiles: got %d missing", n, report.MissingTiles)
		}
		name := tiles.TilePath(0, 1, 256)
		ledgertest.Flip(t, filepath.Join(dir, filepath.FromSlash(name)), 99, 1)
		report := ledgertest.Verify(t, dir)
		if report.Intact() || report.First.Damage != record.DamageTile || !strings.Contains(report.First.Detail, name) || report.Proven != uint64(n) {
			t.Errorf("%d records: got %v and %d proven, want a wrong %s", n, report.First, report.Proven, name)
		}
	}
}

// A tile that is beyond the tree shows that the ledger was longer, also where the
// checkpoint is gone. Verify and Open say so. What a power failure leaves of one that
// belongs there is made again.
func TestTilesBeyondTheTree(t *testing.T) {
	t.Parallel()
	f := ledgertest.NewForger(t)
	f.Open()
	for f.Tree.Size() < 600 {
		f.Run("run-"+f.ID(), "mail")
	}
	whole := ledgertest.Forgery{Envs: f.Envs}
	for name, tt := range map[string]struct {
		records int
		spoil   func(dir string) error
		tile    string
	}{
		"cut":             {200, nil, "tile/0/001"},
		"cut by a tile":   {500, nil, "tile/0/001"},
		"an empty one":    {600, func(dir string) error { return os.WriteFile(filepath.Join(dir, "tile/0/002"), nil, 0o600) }, "tile/0/002"},
		"another level":   {600, func(dir string) error { return makeTile(dir, "tile/1/000") }, "tile/1/000"},
		"far beyond":      {600, func(dir string) error { return makeTile(dir, "tile/0/x001/000") }, "tile/0/x001/000"},
		"a level too far": {600, func(dir string) error { return makeTile(dir, "tile/20/000") }, "tile/20/000"},
		"emptied":         {600, func(dir string) error { return os.Truncate(filepath.Join(dir, "tile/0/001"), 0) }, ""},
		"unfinished":      {600, func(dir string) error { return makeTile(dir, "tile/0/002.tmp") }, ""},
		"as it was":       {600, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			ledgertest.Forgery{Envs: f.Envs[:tt.records]}.Write(t, dir)
			whole.WriteTiles(t, dir)
			if tt.spoil != nil {
				if err := tt.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			report := ledgertest.Verify(t, dir)
			r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
			if r != nil {
				_ = r.Close(t.Context())
			}
			if tt.tile == "" {
				if !report.Intact() || err != nil {
					t.Errorf("got %v, Open: %v, want it intact", report.First, err)
				}
				return
			}
			if report.Intact() || report.First.Damage != record.DamageRolledBack || !strings.Contains(report.First.Detail, tt.tile+" ") {
				t.Errorf("got %v, want %s beyond the tree", report.First, tt.tile)
			}
			if !errors.Is(err, evidence.ErrDamaged) || !strings.Contains(err.Error(), tt.tile+" ") {
				t.Errorf("Open: got %v, want %s beyond the tree", err, tt.tile)
			}
		})
	}
}

// A frame that cannot be read was a record: where one is spoiled, tiles that go as far
// as the ledger with it are not taken for a sign that the ledger was cut as well.
func TestASpoiledFrameIsNotAlsoCutOff(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	for f.Tree.Size() < 512 {
		f.Run("run-"+f.ID(), "mail")
	}
	l := ledgertest.Forgery{Envs: f.Envs[:512]}
	dir := ledgertest.Dir(t)
	l.Write(t, dir)
	l.WriteTiles(t, dir)
	ledgertest.Flip(t, segment.Path(dir, 1), int64(len(segmenttest.File(f.Envs[:300]...))+100), 1)
	report := ledgertest.Verify(t, dir)
	if report.Intact() || report.First.Damage != record.DamageEdited || report.Damage[record.DamageRolledBack] > 0 {
		t.Errorf("got %v of %v, want a record that was edited, and nothing rolled back", report.First, report.Damage)
	}
}

// Where one checkpoint is of what is there and a later one is not, no more is proven
// than the first one covers.
func TestProvenUpToTheLastCheckpointThatAgrees(t *testing.T) {
	f := ledgertest.Base(t)
	at := func(n int) []byte {
		c := ledgertest.NewForger(t)
		for _, env := range f.Envs[:n] {
			c.Put(env)
		}
		c.Session = ledgertest.Key(11)
		return c.Checkpoint()
	}
	rewritten := rewriteAll(t, func(f *ledgertest.Forger) { f.Run("run-a", "mail"); f.Run("run-b", "mail") })
	dir := ledgertest.Dir(t)
	ledgertest.Bare(rewritten.Envs...).Write(t, dir)
	report := verifyWith(t, dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}, Checkpoints: [][]byte{at(1), at(5)}})
	if report.First == nil || report.First.Damage != record.DamageRewritten || report.Proven != 1 {
		t.Errorf("got %v and %d proven, want what came after record 1 rewritten", report.First, report.Proven)
	}
}

func makeTile(dir, name string) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, 8192), 0o600))
}

// A ledger whose segments are gone is not begun again.
func TestSegmentsAreGone(t *testing.T) {
	for _, left := range []string{"checkpoint", "tile/0/000"} {
		dir := ledgertest.Dir(t)
		ledgertest.Base(t).Ledger().Write(t, dir)
		if err := errors.Join(makeTile(dir, "tile/0/000"), os.Remove(segment.Path(dir, 1))); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"checkpoint", "tile/0/000"} {
			if name != left {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) ||
			!strings.Contains(err.Error(), "segments are gone") {
			t.Errorf("%s is there: got %v, want ErrDamaged", left, err)
		}
	}
}

// An expectation is what a verifier needs to know beside a ledger, and what it
// must find.
type expectation struct {
	Exit        int           `json:"exit"`             // 0: intact, 1: damaged
	Damage      record.Damage `json:"damage,omitempty"` // the first
	Record      uint64        `json:"record,omitempty"` // where
	Keys        []string      `json:"keys"`             // trusted, PKIX in base64
	Ledger      string        `json:"ledger,omitempty"`
	Checkpoints []string      `json:"checkpoints,omitempty"` // from elsewhere
}

// The corpus is for verifiers in other languages too. It has no policies.
func TestCorpus(t *testing.T) {
	const corpus = "testdata/ledgers"
	if *update {
		if err := os.RemoveAll(corpus); err != nil {
			t.Fatal(err)
		}
	}
	names := make(map[string]bool)
	for _, a := range attacks(t) {
		if a.policy != nil || strings.HasPrefix(a.name, "20-") { // too large
			continue
		}
		opts := a.options()
		e := expectation{Damage: a.want, Record: a.record, Ledger: a.origin}
		name := "intact-" + strings.ReplaceAll(strings.ReplaceAll(a.name, "intact-", ""), "intact", "ledger")
		if a.want != "" {
			e.Exit = 1
			name = "reject-" + a.name
		}
		names[name] = true
		for _, key := range opts.Keys {
			e.Keys = append(e.Keys, base64.StdEncoding.EncodeToString(ledgertest.PKIX(key)))
		}
		for _, c := range a.given {
			e.Checkpoints = append(e.Checkpoints, string(c))
		}
		text, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		dir := filepath.Join(corpus, name)
		if *update {
			a.ledger.Write(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "expected.json"), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) {
			got, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("expected.json: got %s, %v, want %s; run the tests with -update", got, err, text)
			}
			fresh := ledgertest.Dir(t)
			a.ledger.Write(t, fresh)
			files := slices.AppendSeq([]string{"segments/00000000000000000001.seg", "checkpoint"}, maps.Keys(a.ledger.Files))
			for _, file := range files {
				got, err := os.ReadFile(filepath.Join(dir, file))
				want, werr := os.ReadFile(filepath.Join(fresh, file))
				if errors.Is(err, fs.ErrNotExist) != errors.Is(werr, fs.ErrNotExist) || !bytes.Equal(got, want) {
					t.Errorf("%s is not what the test makes; run the tests with -update", file)
				}
			}
			report, err := evidence.Verify(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			a.judge(t, report)
		})
	}
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(doc, ledgertest.Base(t).Checkpoint()) {
		t.Errorf("FORMAT.md does not show the checkpoint\n%s", ledgertest.Base(t).Checkpoint())
	}
	entries, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !names[entry.Name()] {
			t.Errorf("%s: no test makes it", entry.Name())
		}
	}
}
