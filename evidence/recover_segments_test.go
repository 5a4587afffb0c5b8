package evidence_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// What a process that died left in the last segment is made durable before
// anything builds on it.
func TestOpenSyncsTheLastSegment(t *testing.T) {
	dir := ledgertest.Dir(t)
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ops []string
	cfg := evidence.Config{Key: ledgertest.Key(1)}
	do := func(op segmenttest.Op) error {
		ops = append(ops, op.Name+" "+filepath.Base(op.Path))
		return op.Do()
	}
	const small = 64 // the next record goes to the next segment
	if r, err = evidence.OpenOn(dir, cfg, evidence.Disk{Do: do, Segment: small}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(ops, "\n")
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sync := strings.Index(all, "sync 00000000000000000001.seg")
	create := strings.Index(all, "create 00000000000000000002.seg")
	if create < 0 || sync < 0 || sync > create {
		t.Errorf("got operations\n%s\nwant the first segment synced before the second is made", all)
	}
}

// Segments are numbered from 1, without holes: the one after the last of all
// numbers would never be read.
func TestOpenRefusesHolesBetweenSegments(t *testing.T) {
	for _, to := range []uint64{2, 1<<64 - 1} {
		dir := ledgertest.Dir(t)
		r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(segment.Path(dir, 1), segment.Path(dir, to)); err != nil {
			t.Fatal(err)
		}
		r, err = evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
		if !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("segment %d: got %v, want ErrDamaged", to, err)
		}
		wantDamage(t, ledgertest.Verify(t, dir), record.DamageRemoved)
		if r != nil {
			_ = r.Close(t.Context())
		}
	}
}

// An origin that no checkpoint could name is refused at once.
func TestOriginsThatCheckpointsCannotHave(t *testing.T) {
	for _, origin := range []string{"a b", "a+b", "a\u00a0b", "a\u2028b", "a\u0085b", "a\u009bb"} {
		r, err := evidence.Open(ledgertest.Dir(t), evidence.Config{Ledger: origin})
		if err == nil {
			t.Errorf("%q: no error", origin)
			_ = r.Close(t.Context())
		}
	}
}
