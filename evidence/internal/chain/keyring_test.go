package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// judged returns what a keyring says of each record of a ledger, "" where it takes one.
func judged(t *testing.T, ring *chain.Keyring, envs ...[]byte) (says []string) {
	t.Helper()
	dir := ledgertest.Dir(t)
	ledgertest.Bare(envs...).Write(t, dir)
	if err := chain.Scan(dir, ring, func(f *chain.Frame, _ int64) bool {
		said := ""
		if f.Err != nil {
			said = f.Err.Error()
		}
		if (f.Err == nil) != (f.Record != nil) {
			t.Errorf("got record %v with error %v", f.Record, f.Err)
		}
		says = append(says, said)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return says
}

// begins reports whether what is said begins so, or nothing is said where nothing is to be.
func begins(said, want string) bool {
	return strings.HasPrefix(said, want) && (want != "" || said == "")
}

// rotate states a rotation to a root key, signed by whoever is to.
func rotate(f *ledgertest.Forger, to ed25519.PrivateKey, keys ...ed25519.PrivateKey) {
	public := ledgertest.Public(to)
	f.Add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{
		Key: record.KeyID(public), Public: ledgertest.PKIX(public),
	}}, f.OfLedger(), keys...)
}

// begin states a session, signed by whoever is to.
func begin(f *ledgertest.Forger, keys ...ed25519.PrivateKey) {
	f.Add(&record.Record{Kind: record.KindSession, Session: f.NewSession()}, f.OfLedger(), keys...)
}

// erase states what a session signs, signed by whoever is to.
func erase(f *ledgertest.Forger, keys ...ed25519.PrivateKey) {
	f.Add(&record.Record{Kind: record.KindErased, Erased: &record.Erased{
		Authority: "dpo", Commitment: "gTCTiuKqpMpYqMH9WSMDPFIFVzTv5pUSR4BknK_qoI4", Reason: "asked for",
	}}, f.OfLedger(), keys...)
}

// naming has the signature of an envelope by one key name another.
func naming(env []byte, by, other ed25519.PrivateKey) []byte {
	id := func(key ed25519.PrivateKey) []byte { return []byte(record.KeyID(ledgertest.Public(key))) }
	return bytes.ReplaceAll(env, id(by), id(other))
}

// Root keys sign sessions and rotations, the session in force signs the rest, and
// nobody else signs anything. What is said is of the records from the second on,
// after a session by the first of the two keys that are trusted.
func TestKeyring(t *testing.T) {
	root, next, stranger := ledgertest.Key(1), ledgertest.Key(2), ledgertest.Key(66)
	for name, tt := range map[string]struct {
		signing record.Signing
		write   func(f *ledgertest.Forger)
		want    []string // how what is said of each record begins
	}{
		"session":          {write: func(f *ledgertest.Forger) { erase(f, f.Session) }, want: []string{""}},
		"unsigned":         {write: func(f *ledgertest.Forger) { erase(f) }, want: []string{"unsigned: no signature"}},
		"unsigned, may be": {signing: record.SignCheckpoints, write: func(f *ledgertest.Forger) { erase(f) }, want: []string{""}},
		"signed, need not": {
			signing: record.SignCheckpoints, write: func(f *ledgertest.Forger) { erase(f, f.Session) },
			want: []string{""},
		},
		"root and session": {
			write: func(f *ledgertest.Forger) { erase(f, root, f.Session) },
			want:  []string{"not_canonical: 2 signatures"},
		},
		"root for session": {
			write: func(f *ledgertest.Forger) { erase(f, root) },
			want:  []string{"inconsistent: a root key signed it, where"},
		},
		"stranger": {write: func(f *ledgertest.Forger) { erase(f, stranger) }, want: []string{"unknown_key: signed by key"}},
		"session by itself": {
			write: func(f *ledgertest.Forger) { begin(f, f.Session) },
			want:  []string{"unknown_key: a session key signed this key.session"},
		},
		"session by none": {
			signing: record.SignCheckpoints, write: func(f *ledgertest.Forger) { begin(f) },
			want: []string{"unsigned: no root key signed this key.session"},
		},
		"session by another root": {
			write: func(f *ledgertest.Forger) { begin(f, next); erase(f, f.Session) },
			want:  []string{"inconsistent: another root key signed the session", "inconsistent: the session of its key was refused"},
		},
		"session of another ledger": { // whoever checks the chain says so
			write: func(f *ledgertest.Forger) {
				old := f.Session
				f.Origin = "dev"
				begin(f, root)
				f.Origin = "prod"
				erase(f, f.Session)
				erase(f, old)
			},
			want: []string{"", "unknown_key: signed by key", ""},
		},
		"session that ended": {
			write: func(f *ledgertest.Forger) { old := f.Session; f.Renew(); erase(f, f.Session); erase(f, old) },
			want:  []string{"", "", "expired_key: the session of its key had ended"},
		},
		"session that ended, edited": {
			write: func(f *ledgertest.Forger) {
				old := f.Session
				f.Renew()
				erase(f, old)
				f.Envs[2] = anotherDay(f.T, f.Envs[2])
			},
			want: []string{"", "edited: the signature is not of this payload"},
		},
		"edited": {
			write: func(f *ledgertest.Forger) { erase(f, f.Session); f.Envs[1] = anotherDay(f.T, f.Envs[1]) },
			want:  []string{"edited: the signature is not of this payload"},
		},
		"edited, by a root": {
			write: func(f *ledgertest.Forger) { f.Renew(); f.Envs[1] = anotherDay(f.T, f.Envs[1]) },
			want:  []string{"edited: the signature is not of this payload"},
		},
		"session that names another": {
			write: func(f *ledgertest.Forger) { erase(f, f.Session); f.Envs[1] = naming(f.Envs[1], f.Session, stranger) },
			want:  []string{"edited: a trusted key signed it, but the envelope names another"},
		},
		"root that names another": {
			write: func(f *ledgertest.Forger) { begin(f, root); f.Envs[1] = naming(f.Envs[1], root, stranger) },
			want:  []string{"edited: a trusted key signed it, but the envelope names another"},
		},
		"stranger that names the session": {
			write: func(f *ledgertest.Forger) { erase(f, stranger); f.Envs[1] = naming(f.Envs[1], stranger, f.Session) },
			want:  []string{"edited: the signature is not of this payload"},
		},
		"rotation": {
			write: func(f *ledgertest.Forger) {
				f.Rotate(next)
				erase(f, f.Session)
				f.Renew()
				erase(f, f.Session)
				begin(f, root)
			},
			want: []string{"", "", "", "", "inconsistent: another root key signed the session"},
		},
		"rotation to the same": {
			write: func(f *ledgertest.Forger) { rotate(f, root, root) },
			want:  []string{"inconsistent: it rotates to the root key"},
		},
		"rotation by the old alone": {
			write: func(f *ledgertest.Forger) { rotate(f, next, root) },
			want:  []string{"unsigned: the next root key"},
		},
		"rotation by the next alone": {
			write: func(f *ledgertest.Forger) { rotate(f, next, next) }, want: []string{"unsigned: the root key that it replaces"},
		},
		"rotation by both, the next first": {
			write: func(f *ledgertest.Forger) { rotate(f, next, next, root) }, want: []string{"not_canonical: the signature of the next"},
		},
		"rotation to a stranger": {
			write: func(f *ledgertest.Forger) { rotate(f, stranger, root, stranger) }, want: []string{"unknown_key: it rotates to key"},
		},
		"rotation of another ledger": { // whoever checks the chain says so
			write: func(f *ledgertest.Forger) {
				f.Origin = "dev"
				rotate(f, next, root, next)
				f.Origin = "prod"
				begin(f, root)
			},
			want: []string{"", ""},
		},
		"rotation by the session": {
			write: func(f *ledgertest.Forger) { rotate(f, next, f.Session) }, want: []string{"unknown_key: a session key signed this key.rotate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := ledgertest.NewForger(t)
			if tt.signing != "" {
				f.Signing = tt.signing
			}
			f.Open()
			tt.write(f)
			got := judged(t, trusting(t, f.Origin, root, next), f.Envs...)
			if got[0] != "" || !slices.EqualFunc(got[1:], tt.want, begins) {
				t.Errorf("got %q, want %q", got[1:], tt.want)
			}
		})
	}
}

// Where there is no session yet nothing else counts.
func TestKeyringBeforeTheFirstSession(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	f.Rotate(ledgertest.Key(2))
	erase(f, ledgertest.Key(2))
	erase(f, f.Session)
	erase(f)
	got := judged(t, trusting(t, f.Origin, ledgertest.Key(1), ledgertest.Key(2)), f.Envs[1:]...)
	want := []string{"inconsistent: a rotation before", "inconsistent: a root key signed it, and", "unknown_key: ", "unsigned: "}
	if !slices.EqualFunc(got, want, begins) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A policy bounds what a root key signs: by time, and once it is revoked by number.
func TestKeyringKeepsToThePolicy(t *testing.T) {
	const day, refused = 24 * time.Hour, "expired_key: the session of its key was refused"
	for name, tt := range map[string]struct {
		root trust.Root
		want []string
	}{
		"trusted":        {trust.Root{NotBefore: ledgertest.DayOne.Add(-day), NotAfter: ledgertest.DayOne.Add(day)}, []string{"", "", "", ""}},
		"not yet":        {trust.Root{NotBefore: ledgertest.DayOne.Add(day)}, []string{"expired_key: the root", refused}},
		"not any more":   {trust.Root{NotAfter: ledgertest.DayOne.Add(-day)}, []string{"expired_key: the root", refused}},
		"up to record 3": {trust.Root{LastRecord: 3}, []string{"", "", "", ""}},
		"up to record 2": {trust.Root{LastRecord: 2}, []string{"", "", "expired_key: the root", refused}},
	} {
		t.Run(name, func(t *testing.T) {
			f := ledgertest.NewForger(t)
			f.Open()
			erase(f, f.Session)
			f.Renew()
			erase(f, f.Session)
			tt.root.Key = ledgertest.Public(f.Root)
			roots, err := chain.RootKeys(nil, &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: []trust.Root{tt.root}}}}, "prod")
			if err != nil {
				t.Fatal(err)
			}
			ring := chain.NewKeyring("prod", roots)
			got := judged(t, ring, f.Envs...)
			if !slices.EqualFunc(got[:len(tt.want)], tt.want, begins) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if s := ring.Session; s != nil && s.LastRecord != tt.root.LastRecord {
				t.Errorf("got a session up to record %d, want %d", s.LastRecord, tt.root.LastRecord)
			}
			last := record.KeyID(ledgertest.Public(f.Session))
			if key, taken := ring.Key(last), tt.want[len(tt.want)-1] == ""; taken != (key != nil) || ring.Known[last] == nil {
				t.Errorf("got key %x of the last session, want one: %v", key, taken)
			}
			if ring.Key(roots[0].ID) == nil || ring.Key("another") != nil {
				t.Error("got no root key, or the key of a stranger")
			}
		})
	}
}

// Both root keys must be trusted when one hands over to the other.
func TestRotationKeepsToThePolicy(t *testing.T) {
	for name, bound := range map[string]func(root, next *trust.Root){
		"the old one expired":     func(root, _ *trust.Root) { root.LastRecord = 1 },
		"the next is not yet one": func(_, next *trust.Root) { next.NotBefore = ledgertest.DayOne.Add(time.Hour) },
	} {
		f := ledgertest.NewForger(t)
		roots := []trust.Root{{Key: ledgertest.Public(f.Root)}, {Key: ledgertest.Public(ledgertest.Key(2))}}
		bound(&roots[0], &roots[1])
		f.Open()
		f.Rotate(ledgertest.Key(2))
		trusted, err := chain.RootKeys(nil, &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: roots}}}, "prod")
		if err != nil {
			t.Fatal(err)
		}
		got := judged(t, chain.NewKeyring("prod", trusted), f.Envs...)
		if want := []string{"", "expired_key: the root key"}; !slices.EqualFunc(got, want, begins) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A keyring opens a routine envelope as the session in force does.
func TestKeyringOpens(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	ring := trusting(t, f.Origin, f.Root)
	judged(t, ring, f.Envs...)
	erase(f, f.Session)
	erase(f, ledgertest.Key(66))
	old := f.Session
	begin(f, old)
	rotate(f, ledgertest.Key(2), old)
	envs := append(f.Envs[1:], naming(f.Envs[2], ledgertest.Key(66), old))
	for i, want := range []string{"", "unknown_key: signed by", "unknown_key: a session key", "unknown_key: a session key", "edited: "} {
		var got chain.Frame
		ring.Open(&got, envs[i])
		said := ""
		if got.Err != nil {
			said = got.Err.Error()
		}
		if !begins(said, want) || (got.Record != nil) != (want == "") || want == "" && !got.Signed || got.Session != ring.Session {
			t.Errorf("envelope %d: got %+v, want %q", i, got, want)
		}
	}
}

// A session covers the records of its time, up to the one that its root is trusted for.
func TestSessionCovers(t *testing.T) {
	f := ledgertest.NewForger(t)
	stated := f.NewSession()
	s := chain.NewSession(&record.Record{Session: stated}, record.Hash{})
	s.LastRecord = 7
	for _, tt := range []struct {
		at   time.Time
		n    uint64
		says string
	}{
		{stated.NotBefore, 1, ""},
		{stated.NotBefore.Add(-1), 1, "older than its session"},
		{stated.NotAfter, 7, ""},
		{stated.NotAfter.Add(1), 7, "younger than its session may be"},
		{stated.NotBefore, 8, "trusted up to record 7"},
	} {
		err := s.Covers(&record.Record{Time: tt.at}, tt.n)
		if (err == nil) != (tt.says == "") || err != nil && (err.Damage != record.DamageExpiredKey || !strings.Contains(err.Detail, tt.says)) {
			t.Errorf("record %d at %v: got %v, want %q", tt.n, tt.at, err, tt.says)
		}
	}
	s.LastRecord = 0
	if err := s.Covers(&record.Record{Time: stated.NotAfter}, 1<<40); err != nil {
		t.Errorf("a root that is not revoked: got %v", err)
	}
}

// The keys that are given are trusted for any ledger, those of a policy for theirs.
func TestRootKeys(t *testing.T) {
	given, named := ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))
	policy := ledgertest.Trusting("prod", named)
	for _, tt := range []struct {
		policy *trust.Policy
		origin string
		want   []ed25519.PublicKey
		fails  bool
	}{
		{nil, "prod", []ed25519.PublicKey{given}, false},
		{policy, "prod", []ed25519.PublicKey{given, named}, false},
		{policy, "", []ed25519.PublicKey{given}, false},
		{policy, "dev", []ed25519.PublicKey{given}, true},
	} {
		roots, err := chain.RootKeys([]ed25519.PublicKey{given}, tt.policy, tt.origin)
		if (err != nil) != tt.fails || !slices.EqualFunc(roots, tt.want, func(r chain.RootKey, key ed25519.PublicKey) bool {
			return r.Key.Equal(key) && r.ID == record.KeyID(key)
		}) {
			t.Errorf("for %q: got %v, error %v", tt.origin, roots, err)
		}
	}
}

// An envelope is routine where the session in force can judge it alone.
func TestRoutine(t *testing.T) {
	f := ledgertest.Base(t)
	s := chain.NewSession(&record.Record{Session: &record.Session{
		Key: record.KeyID(ledgertest.Public(f.Session)), Public: ledgertest.PKIX(ledgertest.Public(f.Session)), Signing: record.SignRecords,
	}}, record.Hash{})
	bare := *s
	bare.Signing = record.SignCheckpoints
	signed, unsigned, byRoot := f.Envs[1], ledgertest.Strip(f.Envs[1]), f.Envs[0]
	for name, tt := range map[string]struct {
		session *chain.Session
		env     []byte
		want    bool
	}{
		"signed":           {s, signed, true},
		"by a root":        {s, byRoot, false},
		"unsigned":         {s, unsigned, false},
		"need not, is not": {&bare, unsigned, true},
		"need not, is":     {&bare, signed, true},
		"before a session": {nil, signed, false},
	} {
		if got := tt.session.Routine(tt.env); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	edited := chain.Frame{Env: anotherDay(t, signed), Session: s}
	if edited.Open(new(record.Envelope)); !errors.Is(edited.Err, chain.ErrEdited) || edited.Record != nil || edited.Signed {
		t.Errorf("edited: got %+v, want ErrEdited", edited.Err)
	}
}
