package evidence_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/internal/tiles"
)

var mutations = flag.Int("mutations", 300, "how many ledgers of each way to sign are changed at random")

// A mutation is a change at random that takes no key.
type mutation struct {
	name string
	do   func(s *scene, r *rand.Rand)
}

// segmentOne is the path of the first segment.
const segmentOne = "segments/00000000000000000001.seg"

// scramble changes some bytes at random.
func scramble(b []byte, r *rand.Rand) []byte {
	if len(b) == 0 {
		return []byte{byte(r.Uint32())}
	}
	b = bytes.Clone(b)
	i, k := r.IntN(len(b)), r.IntN(len(b))
	from, to := min(i, k), min(max(i, k), min(i, k)+1+r.IntN(2000))
	part := bytes.Clone(b[from:to])
	switch r.IntN(9) {
	case 0, 1:
		b[i] ^= 1 << r.IntN(8)
	case 2:
		b[i] = byte(r.Uint32())
	case 3:
		clear(b[from:to])
	case 4:
		b = slices.Delete(b, from, to)
	case 5:
		b = slices.Insert(b, r.IntN(len(b)+1), part...) // a block again
	case 6:
		b = slices.Delete(b, from, to) // a block elsewhere
		b = slices.Insert(b, r.IntN(len(b)+1), part...)
	case 7:
		b = b[:i]
	case 8:
		for range 1 + r.IntN(40) {
			b = slices.Insert(b, i, byte(r.Uint32()))
		}
	}
	return b
}

// repayload changes a payload and leaves its signatures.
func repayload(t testing.TB, env []byte, change func(payload []byte) []byte) []byte {
	t.Helper()
	payload := ledgertest.DecodePayload(t, env)
	old, changed := base64.StdEncoding.EncodeToString(payload), base64.StdEncoding.EncodeToString(change(bytes.Clone(payload)))
	return bytes.Replace(env, []byte(old), []byte(changed), 1)
}

// signaturesOf returns what stands in an envelope after its payload.
func signaturesOf(env []byte) []byte { return env[bytes.Index(env, []byte(`"signatures":[`)):] }

func mutationsOfRecords() []mutation {
	one := func(change func(s *scene, env []byte, r *rand.Rand) []byte) func(s *scene, r *rand.Rand) {
		return func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			s.put(ledgertest.At(s.envs, i, change(s, s.envs[i], r))...)
		}
	}
	return []mutation{
		{"bytes of the segment", func(s *scene, r *rand.Rand) { s.file(segmentOne, scramble(s.read(segmentOne), r)) }},
		{"a bit of the segment", func(s *scene, r *rand.Rand) {
			b := s.read(segmentOne)
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			s.file(segmentOne, b)
		}},
		{"bytes of an envelope, with a right checksum", one(func(_ *scene, env []byte, r *rand.Rand) []byte { return scramble(env, r) })},
		{"bytes of a payload", one(func(s *scene, env []byte, r *rand.Rand) []byte {
			return repayload(s.t, env, func(payload []byte) []byte { return scramble(payload, r) })
		})},
		{"a digit or a letter of a payload", one(func(s *scene, env []byte, r *rand.Rand) []byte {
			return repayload(s.t, env, func(payload []byte) []byte {
				for {
					i := r.IntN(len(payload))
					switch c := payload[i]; {
					case '0' <= c && c <= '9':
						payload[i] = byte('0' + r.IntN(10))
						return payload
					case 'a' <= c && c <= 'z':
						payload[i] = byte('a' + r.IntN(26))
						return payload
					}
				}
			})
		})},
		{"a signature of another record", func(s *scene, r *rand.Rand) {
			i, k := r.IntN(len(s.envs)), r.IntN(len(s.envs))
			env := bytes.Replace(s.envs[i], signaturesOf(s.envs[i]), signaturesOf(s.envs[k]), 1)
			s.put(ledgertest.At(s.envs, i, env)...)
		}},
		{"a signature", one(func(_ *scene, env []byte, r *rand.Rand) []byte {
			n := len(env) - len(signaturesOf(env))
			return append(env[:n:n], scramble(env[n:], r)...)
		})},
		{"a signature by a stranger",
			one(func(s *scene, env []byte, _ *rand.Rand) []byte {
				return ledgertest.SealAll(ledgertest.DecodePayload(s.t, env), ledgertest.Key(66))
			})},
		{"a signature is taken", one(func(_ *scene, env []byte, _ *rand.Rand) []byte { return ledgertest.Strip(env) })},
		{"records are removed", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			s.put(slices.Delete(s.envs, i, min(len(s.envs), i+1+r.IntN(3)))...)
		}},
		{"records change places", func(s *scene, r *rand.Rand) {
			s.put(ledgertest.Swap(s.envs, r.IntN(len(s.envs)), r.IntN(len(s.envs)))...)
		}},
		{"a record moves", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			env := s.envs[i]
			s.envs = slices.Delete(s.envs, i, i+1)
			s.put(slices.Insert(s.envs, r.IntN(len(s.envs)+1), env)...)
		}},
		{"records stand there again", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			again := slices.Clone(s.envs[i:min(len(s.envs), i+1+r.IntN(4))])
			s.put(slices.Insert(s.envs, r.IntN(len(s.envs)+1), again...)...)
		}},
		{"the end is cut", func(s *scene, r *rand.Rand) { s.put(s.envs[:r.IntN(len(s.envs))]...) }},
		{"what nobody signed is put in", func(s *scene, r *rand.Rand) {
			i := 1 + r.IntN(len(s.envs))
			s.put(slices.Insert(s.envs, i, s.unsigned(i)...)...)
		}},
		{"what nobody signed follows a cut", func(s *scene, r *rand.Rand) {
			i := 1 + r.IntN(len(s.envs))
			s.put(append(s.envs[:i:i], s.unsigned(i)...)...)
		}},
		{"records of another ledger", func(s *scene, r *rand.Rand) {
			f := ledgertest.NewForger(s.t)
			f.Signing, f.Salt = s.signing, r.IntN(2)
			f.Open()
			f.Run([]string{"run-a", "run-z"}[r.IntN(2)], "shell")
			i := r.IntN(len(f.Envs))
			s.put(slices.Insert(s.envs, r.IntN(len(s.envs)+1), f.Envs[i:]...)...)
		}},
	}
}

func mutationsOfFiles() []mutation {
	return []mutation{
		{"bytes of the checkpoint", func(s *scene, r *rand.Rand) { s.file("checkpoint", scramble(s.checkpoint, r)) }},
		{"a bit of the checkpoint", func(s *scene, r *rand.Rand) {
			b := bytes.Clone(s.checkpoint)
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			s.file("checkpoint", b)
		}},
		{"bytes of a tile", func(s *scene, r *rand.Rand) { s.file("tile/0/000", scramble(s.tile, r)) }},
		{"a tile that is not of the tree", func(s *scene, r *rand.Rand) {
			s.file(fmt.Sprintf("tile/%d/%03d", r.IntN(5), r.IntN(4)), make([]byte, r.IntN(8193)))
		}},
		{"an overflow of some records", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			s.file("overflow.seg", scramble(segmenttest.File(s.envs[i:]...), r))
		}},
		{"an overflow after a cut", func(s *scene, r *rand.Rand) {
			i, k := r.IntN(len(s.envs)), 1+r.IntN(len(s.envs)-1)
			s.file("overflow.seg", segmenttest.File(s.envs[i:]...))
			s.put(s.envs[:k]...)
		}},
		{"an overflow that nobody signed", func(s *scene, r *rand.Rand) {
			i := 1 + r.IntN(len(s.envs))
			s.file("overflow.seg", segmenttest.File(append(s.envs[i-1:i:i], s.unsigned(i)...)...))
		}},
		{"another segment", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs))
			s.file(fmt.Sprintf("segments/%020d.seg", 2+r.IntN(2)), scramble(segmenttest.File(s.envs[i:]...), r))
		}},
		{"the segment in two, with something between", func(s *scene, r *rand.Rand) {
			i := r.IntN(len(s.envs) + 1)
			s.put(s.envs[:i]...)
			s.file("segments/00000000000000000002.seg", segmenttest.File(s.honest.Envs[i:]...))
			if r.IntN(4) > 0 {
				name := fmt.Sprintf("segments/%020d.seg", 1+r.IntN(2))
				s.file(name, scramble(s.read(name), r))
			}
		}},
	}
}

// Whatever is done at random to a ledger by somebody without a key is found, by
// Verify before and after the next writer, or is something that FORMAT.md says cannot
// be shown. Nothing panics, and nothing takes long.
func TestRandomForgeries(t *testing.T) {
	all := slices.Concat(mutationsOfRecords(), mutationsOfFiles())
	ofFiles := len(mutationsOfRecords())
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			short, long := newScene(t, signing, false), newScene(t, signing, true)
			became := make(map[string]int)
			for n := range *mutations {
				r := rand.New(rand.NewPCG(uint64(n), 7))
				i := n % len(all)
				s := short
				if i >= ofFiles && r.IntN(3) == 0 {
					s = long
				}
				s.reset()
				if r.IntN(4) == 0 {
					s.forget()
				}
				all[i].do(s, r)
				began := time.Now()
				before, after, differs := s.wantLawful()
				if after == "error" && before != "error" {
					t.Error("Open has an error that is neither ErrDamaged nor ErrOtherKey")
				}
				if strings.HasPrefix(after, "intact") {
					after = strings.TrimSpace("intact " + differs)
				} else if after != "refused" && after != "error" {
					after = "found, and goes on"
				}
				became[after]++
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				if t.Failed() {
					keep := filepath.Join(os.TempDir(), fmt.Sprintf("forged-%s-%d", signing, n))
					t.Fatalf("that was mutation %d: %s; the ledger, as it is now, is %s (%v)", n, all[i].name, keep, os.CopyFS(keep, os.DirFS(s.dir)))
				}
			}
			t.Logf("of %d: %v", *mutations, became)
		})
	}
}

// A proof that is changed at random proves the same as before or nothing.
func TestRandomForgeriesOfProofs(t *testing.T) {
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			dir := rotatedLedger(t, signing)
			all := ledgertest.Entries(t, dir)
			same := 0
			for n := range *mutations {
				r := rand.New(rand.NewPCG(uint64(n), 8))
				text := mustProve(t, dir, all[n%len(all)].Record.ID)
				want, err := evidence.VerifyProof(text, bothKeys)
				if err != nil {
					t.Fatal(err)
				}
				forged := scramble(text, r)
				if r.IntN(2) == 0 { // with the extra line in its form
					forged = changeProof(t, text, func(_ *tiles.Proof, x *extraLine) {
						if i := r.IntN(len(x.Sessions) + 1); i < len(x.Sessions) {
							x.Sessions[i] = string(scramble([]byte(x.Sessions[i]), r))
						} else {
							x.Record = string(scramble([]byte(x.Record), r))
						}
					})
				}
				got, err := evidence.VerifyProof(forged, bothKeys)
				switch {
				case err == nil && (got.Hash != want.Hash || got.Index != want.Index || got.Checkpoint != want.Checkpoint):
					t.Fatalf("mutation %d: got record %d %s proven, want %d %s\n%s", n, got.Index, got.Hash, want.Index, want.Hash, forged)
				case err == nil:
					same++
				case !errors.Is(err, evidence.ErrNotProven) && !errors.Is(err, evidence.ErrNotProof):
					t.Fatalf("mutation %d: got %v, want it not proven", n, err)
				}
			}
			t.Logf("of %d: %d prove the same", *mutations, same)
		})
	}
}

// Each file of a ledger is removed, emptied, halved, or is something else than a file.
func TestForgedFiles(t *testing.T) {
	names := []string{
		"checkpoint", "lock", "overflow.seg", "segments", segmentOne, "segments/00000000000000000002.seg", "tile/0", "tile/0/000",
	}
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			short, long := newScene(t, signing, false), newScene(t, signing, true)
			elsewhere := filepath.Join(t.TempDir(), "elsewhere")
			for what, do := range map[string]func(path string, content []byte) error{
				"emptied": func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
				"halved":  func(path string, content []byte) error { return os.WriteFile(path, content[:len(content)/2], 0o600) },
				"removed": func(string, []byte) error { return nil },
				"a directory": func(path string, _ []byte) error {
					return os.Mkdir(path, 0o700)
				},
				"a link to nothing": func(path string, _ []byte) error { return os.Symlink(elsewhere+".not", path) },
				"a link to the same": func(path string, content []byte) error {
					if err := os.WriteFile(elsewhere, content, 0o600); err != nil {
						return err
					}
					return os.Symlink(elsewhere, path)
				},
				"a link to no end": func(path string, _ []byte) error { return os.Symlink("/dev/zero", path) },
			} {
				for _, name := range names {
					t.Run(what+"/"+name, func(t *testing.T) {
						if runtime.GOOS == "windows" && what[:2] == "a " {
							t.Skip("NOT TESTED: links take a privilege there")
						}
						s := short
						if strings.HasPrefix(name, "tile") {
							s = long
						}
						s.t = t
						s.reset()
						s.put(s.envs[:20]...)
						s.file("segments/00000000000000000002.seg", segmenttest.File(s.honest.Envs[20:]...))
						path := s.path(name)
						content, _ := os.ReadFile(path)
						_ = os.RemoveAll(path)
						if err := do(path, content); err != nil {
							t.Fatal(err)
						}
						s.wantLawful()
					})
				}
			}
		})
	}
}
