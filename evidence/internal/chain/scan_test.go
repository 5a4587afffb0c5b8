package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"go.uber.org/goleak"
)

// trusting returns a keyring of a ledger for which keys are trusted without bounds.
func trusting(t testing.TB, origin string, keys ...ed25519.PrivateKey) *chain.Keyring {
	t.Helper()
	var public []ed25519.PublicKey
	for _, key := range keys {
		public = append(public, ledgertest.Public(key))
	}
	roots, err := chain.RootKeys(public, nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	return chain.NewKeyring(origin, roots)
}

// longLedger is a ledger of so many batches and a bit: two writers, the first with two
// sessions.
func longLedger(t testing.TB, signing record.Signing, batches int) *ledgertest.Forger {
	f := ledgertest.NewForger(t)
	f.Signing = signing
	f.Open()
	for i := range batches * chain.ScanFrames / 4 {
		if i == 40 {
			f.Renew()
		}
		f.Run(fmt.Sprintf("run-%d", i), "shell")
	}
	f.Open()
	f.Run("last", "mail")
	return f
}

// anotherDay dates a record a day later, which its signature is not of.
func anotherDay(t testing.TB, env []byte) []byte {
	return ledgertest.Edit(t, env, `"time":"2026-03-20`, `"time":"2026-03-21`)
}

// Frames come in order, whoever opened them, with all that is to be known of them.
// Bytes that are no frame have their place among them.
func TestScan(t *testing.T) {
	for _, signing := range []record.Signing{record.SignRecords, record.SignCheckpoints} {
		t.Run(string(signing), func(t *testing.T) {
			f := longLedger(t, signing, 3)
			const damaged, forged = chain.ScanFrames + 7, 2*chain.ScanFrames + 5 // that ends a run, which is signed
			const next = 2*chain.ScanFrames + 90                                 // in the next segment
			f.Envs[forged] = anotherDay(t, f.Envs[forged])
			var places []segment.Place
			var first []byte
			file := []byte(segment.Header)
			for i, env := range f.Envs {
				if i == next {
					first, file = file, []byte(segment.Header)
				}
				at := len(file)
				places = append(places, segment.Place{Segment: 1 + uint64(i/next), Offset: int64(at)})
				file = segment.AppendFrame(file, env)
				if i == damaged {
					file[at+20] ^= 1
				}
			}
			places = append(places, segment.Place{Segment: 2, Offset: int64(len(file))})
			file = append(file, segment.AppendFrame(nil, f.Envs[0])[:50]...) // not written to its end
			dir := ledgertest.Dir(t)
			ledgertest.Forgery{Segment: first}.Write(t, dir)
			if err := os.WriteFile(segment.Path(dir, 2), file, 0o600); err != nil {
				t.Fatal(err)
			}

			ring := trusting(t, f.Origin, f.Root)
			n, before, session := 0, int64(0), ""
			err := chain.Scan(dir, ring, func(got *chain.Frame, read int64) bool {
				end := got.At.Offset
				if got.At.Segment == 2 {
					end += int64(len(first))
				}
				if got.At != places[n] || read < before || read <= end {
					t.Fatalf("frame %d: got it at %+v, %d bytes read, want %+v", n, got.At, read, places[n])
				}
				before = read
				if n == len(f.Envs) {
					if got.Bad == nil || chain.DamageOf(got.Bad) != record.DamageTruncated {
						t.Errorf("at the end: got %+v, want a frame that is not whole", got.Bad)
					}
					n++
					return true
				}
				env := f.Envs[n]
				switch n {
				case damaged:
					if got.Bad == nil || chain.DamageOf(got.Bad) != record.DamageEdited || len(got.Env) > 0 || got.Record != nil {
						t.Errorf("frame %d: got %+v, want what is no frame", n, got)
					}
				case forged:
					if !errors.Is(got.Err, chain.ErrEdited) || got.Record != nil || !bytes.Equal(got.Env, env) {
						t.Errorf("frame %d: got error %v, record %v, want no record", n, got.Err, got.Record)
					}
				default:
					want, err := record.Parse(env)
					if err != nil {
						t.Fatal(err)
					}
					if want.Kind == record.KindSession {
						session = want.Session.Key
					}
					payload := sha256.Sum256(ledgertest.DecodePayload(t, env))
					if got.Bad != nil || got.Err != nil || got.Record == nil || got.Record.ID != want.ID || !bytes.Equal(got.Env, env) ||
						got.Leaf != tiles.LeafHash(env) || got.Hash != payload || got.Subject.Name == "" {
						t.Fatalf("frame %d: got %+v, want the record %s", n, got, want.ID)
					}
					if got.Session == nil || got.Session.ID != session || got.Signed != ledgertest.IsSigned(env) {
						t.Fatalf("frame %d: got session %+v, signed %v, want session %s", n, got.Session, got.Signed, session)
					}
				}
				n++
				return true
			})
			if err != nil || n != len(f.Envs)+1 || before != int64(len(first)+len(file)) {
				t.Errorf("got %d frames, %d bytes read, error %v, want %d, %d", n, before, err, len(f.Envs)+1, len(first)+len(file))
			}
			if got, want := ring.Records, uint64(len(f.Envs)-1); got != want {
				t.Errorf("the keyring counts %d records, want %d", got, want)
			}
		})
	}
}

// Without a keyring no signature is looked at, but that there is one.
func TestScanWithoutKeys(t *testing.T) {
	f := ledgertest.Base(t)
	envs := ledgertest.Each(f.Envs, func(env []byte) []byte { return anotherDay(t, env) })
	envs[3] = ledgertest.Strip(envs[3])
	dir := ledgertest.Dir(t)
	ledgertest.Bare(envs...).Write(t, dir)
	n := 0
	if err := chain.Scan(dir, nil, func(got *chain.Frame, _ int64) bool {
		if got.Err != nil || got.Record == nil || got.Session != nil || got.Signed != (n != 3) {
			t.Errorf("record %d: got %+v, want it taken as it is", n, got)
		}
		n++
		return true
	}); err != nil || n != len(envs) {
		t.Errorf("got %d records, error %v, want %d", n, err, len(envs))
	}
}

// Whoever visits can stop at any frame, or panic there, and nothing goes on running.
func TestScanStops(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the fewer workers, the sooner the reader waits for whoever visits
	f := longLedger(t, record.SignRecords, 6)
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	for _, last := range []int{0, 1, chain.ScanFrames - 1, chain.ScanFrames, len(f.Envs) - 1} {
		for _, how := range []string{"stops", "panics"} {
			t.Run(fmt.Sprint(how, " at ", last), func(t *testing.T) {
				defer goleak.VerifyNone(t)
				n := 0
				defer func() {
					if said := recover(); (how == "panics") != (said == "enough") || n != last+1 {
						t.Errorf("got panic %v after %d frames, want %d", said, n, last+1)
					}
				}()
				err := chain.Scan(dir, trusting(t, f.Origin, f.Root), func(*chain.Frame, int64) bool {
					if n++; n == last+1 && how == "panics" {
						panic("enough")
					}
					return n <= last
				})
				if err != nil {
					t.Errorf("got error %v", err)
				}
			})
		}
	}
}

// What comes before the place where a ledger cannot be read any further is visited.
func TestScanUpToWhatCannotBeRead(t *testing.T) {
	f := ledgertest.Base(t)
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	if err := os.Mkdir(segment.Path(dir, 2), 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := chain.Scan(dir, nil, func(*chain.Frame, int64) bool { n++; return true }); err == nil || n != len(f.Envs) {
		t.Errorf("got %d records, error %v, want %d and an error", n, err, len(f.Envs))
	}
	n = 0
	err := chain.Scan(t.TempDir(), nil, func(*chain.Frame, int64) bool { n++; return true })
	if !errors.Is(err, segment.ErrNotLedger) || n > 0 {
		t.Errorf("no ledger: got %d records, error %v", n, err)
	}
}
