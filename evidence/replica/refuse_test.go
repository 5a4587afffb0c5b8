package replica_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

func TestReplicaRefuses(t *testing.T) {
	f := ledgertest.Base(t)
	stranger := ledgertest.Key(66)
	missing := func(records uint64) func(error) bool {
		return func(err error) bool {
			var e *replica.MissingError
			return errors.As(err, &e) && e.Records == records && (e.Head == nil) == (records == 0)
		}
	}
	refused := func(damage record.Damage) func(error) bool {
		return func(err error) bool {
			var e *replica.RefusedError
			return errors.As(err, &e) && e.Damage == damage
		}
	}
	equivocates := func(held int) func(error) bool {
		return func(err error) bool {
			var e *replica.EquivocationError
			return errors.As(err, &e) && bytes.Equal(e.Held, f.Envs[held])
		}
	}
	// restored is the agent with a backup of its ledger: five records, and a
	// writer that goes on from them.
	restored := ledgertest.NewForger(t)
	for _, env := range f.Envs[:5] {
		restored.Put(env)
	}
	fifth, err := record.Parse(f.Envs[4])
	if err != nil {
		t.Fatal(err)
	}
	restored.Salt, restored.Sessions, restored.Writer, restored.Seq = 2, 5, fifth.Writer, 5
	restored.Prev = ledgertest.HashOf(string(ledgertest.DecodePayload(t, f.Envs[4])))
	restored.Open()
	forked := ledgertest.NewForger(t) // as restored, from a fifth record that is another
	for _, env := range slices.Concat(f.Envs[:4], [][]byte{forgeAnother(t, f, 4)}) {
		forked.Put(env)
	}
	forked.Salt, forked.Sessions, forked.Writer, forked.Seq = 4, 5, fifth.Writer, 5
	forked.Prev = ledgertest.HashOf(string(ledgertest.DecodePayload(t, forked.Envs[4])))
	forked.Open()
	blank := ledgertest.NewForger(t)
	blank.Salt = 3
	blank.Open()
	late := ledgertest.Base(t)
	late.Envs = nil
	late.Now = late.Now.Add(48 * 60 * 60 * 1e9)
	late.Run("run-c", "mail")
	other := ledgertest.NewForger(t)
	other.Origin = "test"
	other.Open()
	for _, tt := range []struct {
		name string
		have int
		env  []byte
		want func(error) bool
	}{
		{"nothing before it", 0, f.Envs[1], missing(0)},
		{"some before it are missing", 4, f.Envs[6], missing(4)},
		{"a writer from nowhere", 0, restored.Envs[5], missing(0)},
		{"a writer that goes on from what is to come", 3, restored.Envs[5], missing(3)},
		{"a writer that goes on from what is past", 9, restored.Envs[5], equivocates(5)},
		{"a writer that follows another last record", 5, forked.Envs[5], equivocates(4)},
		{"a writer that begins anew", 9, blank.Envs[0], equivocates(0)},
		{"another ledger", 0, other.Envs[0], refused(record.DamageSpliced)},
		{"not JSON", 3, []byte("{"), refused(record.DamageMalformed)},
		{"empty", 3, nil, refused(record.DamageMalformed)},
		{"without a signature", 3, ledgertest.Strip(f.Envs[3]), refused(record.DamageUnsigned)},
		{"edited", 3, ledgertest.Edit(t, f.Envs[3], `"deny"`, `"okay"`), refused(record.DamageEdited)},
		{"edited, of those that are there", 9, ledgertest.Edit(t, f.Envs[3], `"deny"`, `"okay"`), refused(record.DamageEdited)},
		{"of a stranger", 3, ledgertest.SealAll(ledgertest.DecodePayload(t, f.Envs[3]), stranger), refused(record.DamageUnknownKey)},
		{"of a stranger, in place of one that is there", 9, ledgertest.SealAll(ledgertest.DecodePayload(t, forgeAnother(t, f, 3)), stranger),
			refused(record.DamageUnknownKey)},
		{"a session of a stranger", 0, ledgertest.SealAll(ledgertest.DecodePayload(t, f.Envs[0]), stranger), refused(record.DamageUnknownKey)},
		{"after its session", 9, late.Envs[0], refused(record.DamageExpiredKey)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := ledgertest.OpenReplica(t, dir, replica.Config{})
			if n, err := r.Append(f.Envs[:tt.have]); n != tt.have || err != nil {
				t.Fatal(n, err)
			}
			for range 2 { // the second time too
				if n, err := r.Append([][]byte{tt.env}); n != 0 || !tt.want(err) {
					t.Errorf("got %d, %v", n, err)
				}
			}
			ledgertest.WantSame(t, dir, f.Envs[:tt.have]...)
			if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
				t.Errorf("what is right, after it: got %d, %v", n, err)
			}
		})
	}
}

// A refused session leaves no trace: the same again is refused again, and its
// records with it.
func TestReplicaRefusesASessionTwice(t *testing.T) {
	f := ledgertest.Base(t)
	f.Root = ledgertest.Key(2) // trusted, and nothing has rotated to it
	f.Renew()
	f.Run("run-c", "mail")
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{Policy: longKeys})
	for range 3 {
		var refused *replica.RefusedError
		if n, err := r.Append(f.Envs); n != 9 || !errors.As(err, &refused) {
			t.Errorf("got %d, %v", n, err)
		}
		if n, err := r.Append(f.Envs[9:]); n != 0 || !errors.As(err, &refused) {
			t.Errorf("got %d, %v", n, err)
		}
	}
	ledgertest.WantSame(t, dir, f.Envs[:9]...)
}

// A record that a gap declares lost contradicts the gap, and one of a writer that has
// ended the writer after it.
func TestReplicaOfRecordsThatCannotBe(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	f.Run("run-a", "mail") // up to seq 5
	lost := ledgertest.NewForger(t)
	lost.IDs = 500
	lost.Writer, lost.Session, lost.Now, lost.Elapsed = f.Writer, f.Session, f.Now, f.Elapsed
	lost.Seq, lost.Prev = f.Seq+1, f.Prev
	lost.Run("run-lost", "mail")
	f.Seq += 4
	f.Gap(6, 9)
	f.Run("run-b", "mail")
	late := *f // the writer goes on after another has begun, from a copy of the ledger say
	late.Envs, late.IDs = nil, 900
	late.Run("run-late", "mail")
	second := len(f.Envs)
	f.Open()
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{})
	if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
		t.Fatal(n, err)
	}
	for i, env := range lost.Envs[:3] { // seq 7 to 9
		var e *replica.EquivocationError
		if n, err := r.Append([][]byte{env}); n != 0 || !errors.As(err, &e) || !bytes.Equal(e.Held, f.Envs[5]) || e.Seq != uint64(7+i) {
			t.Errorf("seq %d: got %d, %v", 7+i, n, err)
		}
	}
	var e *replica.EquivocationError
	if n, err := r.Append(late.Envs); n != 0 || !errors.As(err, &e) || !bytes.Equal(e.Held, f.Envs[second]) {
		t.Errorf("of a writer that has ended: got %d, %v", n, err)
	}
	ledgertest.WantSame(t, dir, f.Envs...)
}

// A record has one envelope: with another signature beside that of the session it is
// refused.
func TestReplicaOfARecordWithAnotherSignature(t *testing.T) {
	f := ledgertest.Base(t)
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{})
	twice := ledgertest.SealAll(ledgertest.DecodePayload(t, f.Envs[4]), f.Session, ledgertest.Key(66))
	var refused *replica.RefusedError
	if n, err := r.Append(slices.Concat(f.Envs[:4], [][]byte{twice})); n != 4 || !errors.As(err, &refused) || refused.Damage != record.DamageNotCanonical {
		t.Fatal(n, err)
	}
	if n, err := r.Append(f.Envs); n != 9 || err != nil {
		t.Error(n, err)
	}
	ledgertest.WantSame(t, dir, f.Envs...)
	ledgertest.WantIntact(t, dir)
}
