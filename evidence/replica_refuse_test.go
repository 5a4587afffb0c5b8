package evidence_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

func TestReplicaRefuses(t *testing.T) {
	f := base(t)
	stranger := testKey(66)
	missing := func(records uint64) func(error) bool {
		return func(err error) bool {
			var e *evidence.MissingError
			return errors.As(err, &e) && e.Records == records && (e.Head == nil) == (records == 0)
		}
	}
	refused := func(damage record.Damage) func(error) bool {
		return func(err error) bool {
			var e *evidence.RefusedError
			return errors.As(err, &e) && e.Damage == damage
		}
	}
	equivocates := func(held int) func(error) bool {
		return func(err error) bool {
			var e *evidence.EquivocationError
			return errors.As(err, &e) && bytes.Equal(e.Held, f.envs[held])
		}
	}
	// restored is the agent with a backup of its ledger: five records, and a
	// writer that goes on from them.
	restored := newForger(t)
	for _, env := range f.envs[:5] {
		restored.put(env)
	}
	fifth, err := record.Parse(f.envs[4])
	if err != nil {
		t.Fatal(err)
	}
	restored.salt, restored.sessions, restored.writer, restored.seq = 2, 5, fifth.Writer, 5
	restored.prev = hashOf(string(decodePayload(t, f.envs[4])))
	restored.open()
	forked := newForger(t) // as restored, from a fifth record that is another
	for _, env := range slices.Concat(f.envs[:4], [][]byte{forgeAnother(t, f, 4)}) {
		forked.put(env)
	}
	forked.salt, forked.sessions, forked.writer, forked.seq = 4, 5, fifth.Writer, 5
	forked.prev = hashOf(string(decodePayload(t, forked.envs[4])))
	forked.open()
	blank := newForger(t)
	blank.salt = 3
	blank.open()
	late := base(t)
	late.envs = nil
	late.now = late.now.Add(48 * 60 * 60 * 1e9)
	late.run("run-c", "mail")
	other := newForger(t)
	other.origin = "test"
	other.open()
	for _, tt := range []struct {
		name string
		have int
		env  []byte
		want func(error) bool
	}{
		{"nothing before it", 0, f.envs[1], missing(0)},
		{"some before it are missing", 4, f.envs[6], missing(4)},
		{"a writer from nowhere", 0, restored.envs[5], missing(0)},
		{"a writer that goes on from what is to come", 3, restored.envs[5], missing(3)},
		{"a writer that goes on from what is past", 9, restored.envs[5], equivocates(5)},
		{"a writer that follows another last record", 5, forked.envs[5], equivocates(4)},
		{"a writer that begins anew", 9, blank.envs[0], equivocates(0)},
		{"another ledger", 0, other.envs[0], refused(record.DamageSpliced)},
		{"not JSON", 3, []byte("{"), refused(record.DamageMalformed)},
		{"empty", 3, nil, refused(record.DamageMalformed)},
		{"without a signature", 3, strip(f.envs[3]), refused(record.DamageUnsigned)},
		{"edited", 3, edit(t, f.envs[3], `"deny"`, `"okay"`), refused(record.DamageEdited)},
		{"edited, of those that are there", 9, edit(t, f.envs[3], `"deny"`, `"okay"`), refused(record.DamageEdited)},
		{"of a stranger", 3, sealAll(decodePayload(t, f.envs[3]), stranger), refused(record.DamageUnknownKey)},
		{"of a stranger, in place of one that is there", 9, sealAll(decodePayload(t, forgeAnother(t, f, 3)), stranger), refused(record.DamageUnknownKey)},
		{"a session of a stranger", 0, sealAll(decodePayload(t, f.envs[0]), stranger), refused(record.DamageUnknownKey)},
		{"after its session", 9, late.envs[0], refused(record.DamageExpiredKey)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := newDir(t)
			r := openReplica(t, dir, evidence.ReplicaConfig{})
			if n, err := r.Append(f.envs[:tt.have]); n != tt.have || err != nil {
				t.Fatal(n, err)
			}
			for range 2 { // the second time too
				if n, err := r.Append([][]byte{tt.env}); n != 0 || !tt.want(err) {
					t.Errorf("got %d, %v", n, err)
				}
			}
			wantSame(t, dir, f.envs[:tt.have]...)
			if n, err := r.Append(f.envs); n != len(f.envs) || err != nil {
				t.Errorf("what is right, after it: got %d, %v", n, err)
			}
		})
	}
}

// A refused session leaves no trace: the same again is refused again, and its
// records with it.
func TestReplicaRefusesASessionTwice(t *testing.T) {
	f := base(t)
	f.root = testKey(2) // trusted, and nothing has rotated to it
	f.renew()
	f.run("run-c", "mail")
	dir := newDir(t)
	r := openReplica(t, dir, evidence.ReplicaConfig{Policy: longKeys})
	for range 3 {
		var refused *evidence.RefusedError
		if n, err := r.Append(f.envs); n != 9 || !errors.As(err, &refused) {
			t.Errorf("got %d, %v", n, err)
		}
		if n, err := r.Append(f.envs[9:]); n != 0 || !errors.As(err, &refused) {
			t.Errorf("got %d, %v", n, err)
		}
	}
	wantSame(t, dir, f.envs[:9]...)
}

// A record that a gap declares lost contradicts the gap, and one of a writer that has
// ended the writer after it.
func TestReplicaOfRecordsThatCannotBe(t *testing.T) {
	f := newForger(t)
	f.open()
	f.run("run-a", "mail") // up to seq 5
	lost := newForger(t)
	lost.ids = 500
	lost.writer, lost.session, lost.now, lost.elapsed = f.writer, f.session, f.now, f.elapsed
	lost.seq, lost.prev = f.seq+1, f.prev
	lost.run("run-lost", "mail")
	f.seq += 4
	f.gap(6, 9)
	f.run("run-b", "mail")
	late := *f // the writer goes on after another has begun, from a copy of the ledger say
	late.envs, late.ids = nil, 900
	late.run("run-late", "mail")
	second := len(f.envs)
	f.open()
	dir := newDir(t)
	r := openReplica(t, dir, evidence.ReplicaConfig{})
	if n, err := r.Append(f.envs); n != len(f.envs) || err != nil {
		t.Fatal(n, err)
	}
	for i, env := range lost.envs[:3] { // seq 7 to 9
		var e *evidence.EquivocationError
		if n, err := r.Append([][]byte{env}); n != 0 || !errors.As(err, &e) || !bytes.Equal(e.Held, f.envs[5]) || e.Seq != uint64(7+i) {
			t.Errorf("seq %d: got %d, %v", 7+i, n, err)
		}
	}
	var e *evidence.EquivocationError
	if n, err := r.Append(late.envs); n != 0 || !errors.As(err, &e) || !bytes.Equal(e.Held, f.envs[second]) {
		t.Errorf("of a writer that has ended: got %d, %v", n, err)
	}
	wantSame(t, dir, f.envs...)
}

// A record has one envelope: with another signature beside that of the session it is
// refused.
func TestReplicaOfARecordWithAnotherSignature(t *testing.T) {
	f := base(t)
	dir := newDir(t)
	r := openReplica(t, dir, evidence.ReplicaConfig{})
	twice := sealAll(decodePayload(t, f.envs[4]), f.session, testKey(66))
	var refused *evidence.RefusedError
	if n, err := r.Append(slices.Concat(f.envs[:4], [][]byte{twice})); n != 4 || !errors.As(err, &refused) || refused.Damage != record.DamageNotCanonical {
		t.Fatal(n, err)
	}
	if n, err := r.Append(f.envs); n != 9 || err != nil {
		t.Error(n, err)
	}
	wantSame(t, dir, f.envs...)
	wantIntact(t, dir)
}
