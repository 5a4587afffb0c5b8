package evidence_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// verifyWith verifies with the options, and fails the test where that cannot be
// done.
func verifyWith(t testing.TB, dir string, opts evidence.VerifyOptions) *evidence.Report {
	t.Helper()
	report, err := evidence.Verify(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func wantDamage(t testing.TB, report *evidence.Report, damage record.Damage) {
	t.Helper()
	if report.First == nil || report.First.Damage != damage {
		t.Errorf("got %v, want %s", report.First, damage)
	}
}

// Session keys sign for a day. Runs go on across their change.
func TestSessionsChangeDaily(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
			time.Sleep(25 * time.Hour)
			return middleware.Result{Output: "ok"}, nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := ledgertest.WantIntact(t, dir)
		if report.Sessions != 2 || report.Writers != 1 || report.Interrupted != 0 || report.Unknown != 0 {
			t.Errorf("got %+v, want 2 sessions of 1 writer and nothing interrupted", report)
		}
		var sessions []*record.Session
		for _, e := range ledgertest.Entries(t, dir) {
			if e.Record.Kind == record.KindSession {
				sessions = append(sessions, e.Record.Session)
			}
		}
		if len(sessions) != 2 || sessions[0].Key == sessions[1].Key || sessions[0].NotAfter.Sub(sessions[0].NotBefore) != 24*time.Hour {
			t.Errorf("got sessions %+v, want two keys, each for a day", sessions)
		}
	})
}

// A key is rotated while the writer works. Whoever verifies must trust
// both, and whoever continues needs the new one.
func TestRotate(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	for _, step := range []func() error{
		func() error { return agent(t.Context(), r) },
		func() error { return r.Rotate(t.Context(), ledgertest.Key(2)) },
		func() error { return agent(t.Context(), r) },
		func() error { return r.Close(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	both := []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(2)), ledgertest.Public(ledgertest.Key(1))}
	report := verifyWith(t, dir, evidence.VerifyOptions{Keys: both})
	if !report.Intact() || report.Rotations != 1 || report.Sessions != 2 || report.Writers != 1 {
		t.Errorf("got %+v, %v, want one rotation, intact", report, report.First)
	}
	wantDamage(t, verifyWith(t, dir, evidence.VerifyOptions{Keys: both[:1]}), record.DamageUnknownKey)
	wantDamage(t, verifyWith(t, dir, evidence.VerifyOptions{Keys: both[1:]}), record.DamageUnknownKey)

	if _, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrOtherKey) ||
		!strings.Contains(err.Error(), record.KeyID(both[0])) {
		t.Errorf("Open with the old key: got error %v, want ErrOtherKey with the ID of the new one", err)
	}
	again := open(t, dir, evidence.Config{Key: ledgertest.Key(2)})
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := verifyWith(t, dir, evidence.VerifyOptions{Keys: both}); !report.Intact() || report.Writers != 2 {
		t.Errorf("got %+v, %v, want 2 writers, intact", report, report.First)
	}
}

// A device is a root key that is elsewhere.
type device struct {
	ed25519.PrivateKey
	down atomic.Pointer[error]
	uses atomic.Int64
}

func (d *device) Sign(_ io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	d.uses.Add(1)
	if err := d.down.Load(); err != nil {
		return nil, *err
	}
	return d.PrivateKey.Sign(nil, msg, opts)
}

// The root key signs once at Open and once a day, whatever the number of
// records. While it does not answer, a tool whose intent is to be durable
// is not called, and what waits is written when it answers again.
func TestRootKeyDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := &device{PrivateKey: ledgertest.Key(1)}
		dir := ledgertest.Dir(t)
		r, err := evidence.Open(dir, evidence.Config{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := call(t, r, shell, say("ok")); err != nil {
				t.Fatal(err)
			}
		}
		if n := key.uses.Load(); n != 1 {
			t.Errorf("the root key was used %d times, want 1", n)
		}
		down := errors.New("hsm: no route to host")
		key.down.Store(&down)
		time.Sleep(24 * time.Hour)
		_, err = call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
			t.Error("the tool was called")
			return middleware.Result{}, nil
		})
		wantUnavailable(t, err, down)
		if err := r.Err(); !errors.Is(err, down) {
			t.Errorf("Err: got %v, want %v", err, down)
		}
		key.down.Store(nil)
		time.Sleep(time.Minute)
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Sessions != 2 || report.Denied != 1 || report.Done != 21 {
			t.Errorf("got %+v, want 2 sessions, 21 done and 1 denied", report)
		}
	})
}

type foreignKey struct{ crypto.Signer }

func (foreignKey) Public() crypto.PublicKey { return &rsa.PublicKey{} }

type panickingKey struct{ ed25519.PrivateKey }

func (panickingKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("secret") }

type lyingKey struct{ ed25519.PrivateKey }

func (lyingKey) Sign(_ io.Reader, msg []byte, _ crypto.SignerOpts) ([]byte, error) {
	return ed25519.Sign(ledgertest.Key(9), msg), nil
}

func TestRootKeyRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		key  crypto.Signer
		says string
	}{
		"RSA":                {foreignKey{ledgertest.Key(1)}, "*rsa.PublicKey"},
		"panics":             {panickingKey{ledgertest.Key(1)}, "panics"},
		"signs with another": {lyingKey{ledgertest.Key(1)}, "not its own"},
		"short":              {ed25519.PrivateKey("short"), "not an Ed25519 private key"},
	} {
		_, err := evidence.Open(ledgertest.Dir(t), evidence.Config{Key: tt.key})
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Open: got error %v, want one that says %q", name, err, tt.says)
		}
		r := open(t, ledgertest.Dir(t), evidence.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err = r.Rotate(ctx, tt.key)
		cancel()
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: Rotate: got error %v, want one that says %q", name, err, tt.says)
		}
		if err := r.Rotate(t.Context(), ledgertest.Key(1)); err == nil {
			t.Error("Rotate took the key in force")
		}
		_ = r.Close(t.Context())
	}
}

// Only checkpoints are signed: what one covers is as good as signed.
func TestSignCheckpoints(t *testing.T) {
	dir := ledgertest.Dir(t)
	cfg := evidence.Config{Signing: record.SignCheckpoints}
	for range 2 {
		r := open(t, dir, cfg)
		if err := agent(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Checkpoint == nil || report.Checkpoint.Records != report.Records {
		t.Errorf("got checkpoint %+v of %d records", report.Checkpoint, report.Records)
	}
	envs := ledgertest.Envelopes(t, dir)
	bare := 0
	for _, env := range envs {
		if strings.Contains(string(env), `"signatures":[]`) {
			bare++
		}
	}
	if last := string(envs[len(envs)-1]); bare == 0 || strings.Contains(last, `"signatures":[]`) {
		t.Errorf("%d of %d records carry no signature, and the last one is %s", bare, len(envs), last)
	}
	ledgertest.Rewrite(t, dir, envs...) // without the checkpoint
	ledgertest.WantIntact(t, dir)
}

// The predicate decides for calls that no list names, and is not trusted.
func TestEffects(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{
		ReadOnly: []string{"calculator"},
		Effects: func(call middleware.Call) record.Effects {
			switch call.Name {
			case "calculator":
				t.Error("asked for a tool that a list names")
			case "search":
				return record.EffectsReadOnly
			case "mail":
				return record.EffectsPreferred
			case "odd":
				return "odd"
			case "panics":
				panic("no")
			case "billed":
				return record.EffectsDurable
			}
			return ""
		},
	})
	want := map[string]record.Effects{
		"calculator": record.EffectsReadOnly, "search": record.EffectsReadOnly, "mail": record.EffectsPreferred,
		"odd": record.EffectsDurable, "panics": record.EffectsDurable, "shell": record.EffectsDurable,
		"m": "", "billed": record.EffectsDurable,
	}
	for name := range want {
		c := middleware.Call{Kind: middleware.KindTool, Name: name, Input: "x"}
		if name == "m" || name == "billed" {
			c.Kind, c.Input = middleware.KindModel, &middleware.ModelRequest{}
		}
		if _, err := call(t, r, c, say("ok")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]record.Effects)
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Kind == record.KindIntent {
			got[e.Record.Call.Name] = e.Record.Effects
		}
	}
	for name, e := range want {
		if got[name] != e {
			t.Errorf("%s: got %q, want %q", name, got[name], e)
		}
	}
}

// A call whose intent should be durable, and need not be, is made where the disk
// fails, and its outcome says so.
func TestEffectsPreferred(t *testing.T) {
	dir := ledgertest.Dir(t)
	var f fault
	cfg := evidence.Config{Key: ledgertest.Key(1), Effects: func(middleware.Call) record.Effects { return record.EffectsPreferred }}
	r := openOn(t, dir, cfg, evidence.Disk{Do: segmenttest.Faults{Sync: f.get}.Do})
	f.set(errors.New("EIO"))
	if _, err := call(t, r, shell, say("ok")); err != nil {
		t.Errorf("got error %v, want the call made", err)
	}
	f.set(nil)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	all := ledgertest.Entries(t, dir)
	i := slices.IndexFunc(all, func(e evidence.Entry) bool { return e.Record.Kind == record.KindOutcome })
	d := all[i].Record.Decisions
	if len(d) != 1 || d[0].Gate != "recorder" || !d[0].Shadow || d[0].Code != string(middleware.CodeEvidence) {
		t.Errorf("got decisions %+v, want the recorder's that was not enforced", d)
	}
}

// Somebody sets the clock, an hour back and ten years ahead: records stay in
// order, sessions cover their dates, and the verifier says that it was set.
func TestClockIsSet(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	for _, jump := range []time.Duration{0, -time.Hour, -time.Hour - time.Minute, 10 * 365 * 24 * time.Hour, 0} {
		r.SetClock(func() time.Time { return time.Now().Round(0).Add(jump) }) // no monotonic reading: it was set
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatalf("%v: %v", jump, err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Sessions != 4 || report.ClockSteps < 2 || report.Done != 5 {
		t.Errorf("got %+v, want 4 sessions, steps of the clock, 5 done", report)
	}
	var mono time.Duration
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Mono < mono {
			t.Errorf("record %d: the monotonic clock steps back", e.Record.Seq)
		}
		mono = e.Record.Mono
	}
}

// What is stated after a session has run out is stated in the next one.
func TestStatementsRenewTheSession(t *testing.T) {
	for name, state := range map[string]func(ctx context.Context, r *evidence.Recorder) error{
		"erase": func(ctx context.Context, r *evidence.Recorder) error {
			return r.Erase(ctx, strings.Repeat("A", 43), "reason", "authority")
		},
		"rotate": func(ctx context.Context, r *evidence.Recorder) error { return r.Rotate(ctx, ledgertest.Key(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Hour)
				if err := state(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				report := verifyWith(t, dir,
					evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}})
				if !report.Intact() {
					t.Errorf("got %v, want an intact ledger", report.First)
				}
			})
		})
	}
}

// A rotation that was not waited for to its end can be asked for again.
func TestRotateAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{Key: ledgertest.Key(1)}
		var disk gated
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
		if err != nil {
			t.Fatal(err)
		}
		disk.hang(syncsOfSegments)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Rotate(ctx, ledgertest.Key(2)); !errors.Is(err, evidence.ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
		disk.release()
		if err := r.Rotate(t.Context(), ledgertest.Key(2)); err != nil {
			t.Fatal(err)
		}
		if want := ledgertest.Public(ledgertest.Key(2)); !r.PublicKey().Equal(want) {
			t.Errorf("got key %x in force, want %x", r.PublicKey(), want)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := verifyWith(t, dir,
			evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))}})
		if !report.Intact() || report.Rotations != 1 {
			t.Errorf("got %v and %d rotations, want an intact ledger with one", report.First, report.Rotations)
		}
	})
}
