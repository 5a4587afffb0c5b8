package evidence_test

import (
	"bytes"
	"os"
	"time"

	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// withCheckpoints is what is done to the ledger's checkpoint, which takes no key.
func withCheckpoints() []attempt {
	same := verdict{"intact", "intact", ""}
	write := func(make func(s *scene) []byte) func(s *scene) {
		return func(s *scene) { s.file("checkpoint", make(s)) }
	}
	return []attempt{
		both("no checkpoint", same, func(s *scene) { s.forget() }),
		both("an older checkpoint", same, write(func(s *scene) []byte { return goOn(s.t, s.envs[:19], testKey(13)).checkpoint() })),
		both("a checkpoint by a stranger", refused("unknown_key at 26"),
			write(func(s *scene) []byte { return s.honest.checkpointBy(testKey(66)) })),
		both("a checkpoint by an ended session", refused("expired_key at 26"),
			write(func(s *scene) []byte { return s.honest.checkpointBy(testKey(11)) })),
		both("a checkpoint of another ledger", refused("spliced at 26"), write(func(s *scene) []byte {
			c := tiles.Checkpoint{Origin: "test", Size: s.honest.tree.Size(), Root: s.honest.tree.Root()}
			return signCheckpoint(s.t, c, testKey(13))
		})),
		both("a checkpoint whose signature stands there twice", same, write(func(s *scene) []byte {
			i := bytes.LastIndex(s.checkpoint, []byte("\n\n")) + 2
			return append(s.checkpoint, s.checkpoint[i:]...)
		})),
		both("an empty checkpoint", refused("malformed at 26"), write(func(*scene) []byte { return nil })),
		both("half a checkpoint", refused("malformed at 26"), write(func(s *scene) []byte { return s.checkpoint[:40] })),
	}
}

// withTiles is what is done to tiles, of a ledger that has one.
func withTiles() []attempt {
	same := verdict{"intact", "intact", ""}
	cut := verdict{before: "rolled_back at 200", after: "refused"}
	return []attempt{
		both("a tile is flipped", verdict{"wrong_tile at 302", "intact", ""}, func(s *scene) { flip(s.t, s.path("tile/0/000"), 99, 1) }),
		both("a tile is gone", same, func(s *scene) { _ = os.Remove(s.path("tile/0/000")) }),
		both("a tile is emptied", same, func(s *scene) { _ = os.Truncate(s.path("tile/0/000"), 0) }),
		both("a tile beyond the tree", refused("rolled_back at 302"), func(s *scene) { s.file("tile/0/001", nil) }),
		both("a tile of another level", refused("rolled_back at 302"), func(s *scene) { s.file("tile/1/000", nil) }),
		both("the end is cut, the tiles left", cut, func(s *scene) {
			s.put(s.envs[:200]...)
			_ = os.Remove(s.path("checkpoint"))
		}),
		{name: "a signature is taken, the tiles left", do: func(s *scene) {
			s.put(at(s.envs, 18, strip(s.envs[18]))...)
			_ = os.Remove(s.path("checkpoint"))
		}, records: refused("unsigned at 19"), checkpoints: verdict{"wrong_tile at 302", "intact", limitMiddle}},
	}
}

// withSessionKey is what the holder of a session key can do who has no root key.
func withSessionKey() []attempt {
	forged := verdict{"intact", "intact", limitKey}
	// sealed has the thief write on after the first n records, and sign the checkpoint.
	sealed := func(n int, write func(f *forger)) func(s *scene) {
		return func(s *scene) {
			f := s.stolen(n)
			write(f)
			s.put(f.envs...)
			s.file("checkpoint", f.checkpoint())
		}
	}
	run := func(f *forger) { f.run("forged", "transfer_money") }
	// bare has no checkpoint left.
	bare := func(n int, write func(f *forger)) func(s *scene) { return without(sealed(n, write)) }
	signed := func(i int, old, new string) func(s *scene) {
		return without(func(s *scene) { s.put(at(s.envs, i, resign(s.t, s.envs[i], testKey(13), old, new))...) })
	}
	return []attempt{
		both("the key in force adds a run", forged, sealed(26, run)),
		both("the key in force writes the last runs anew", forged, sealed(19, run)),
		both("the key in force cuts the end", verdict{"intact", "intact", limitKey}, sealed(19, func(f *forger) { f.run("run-d", "mail") })),
		both("the key in force writes anew under the old checkpoint", refused("rewritten at 26"), func(s *scene) {
			f := s.stolen(22)
			f.run("run-d", "shell")
			s.put(f.envs...)
		}),
		{name: "the key in force writes anew, a checkpoint kept elsewhere", given: true,
			do:      sealed(22, func(f *forger) { f.run("run-d", "shell") }),
			records: verdict{"rewritten at 26", "rewritten at 26", ""}, checkpoints: verdict{"rewritten at 26", "rewritten at 26", ""}},
		both("the key in force changes one record", refused("equivocation at 20"), signed(18, `"id":"019d`, `"id":"019e`)),
		both("the key in force signs two at one place", refused("equivocation at 27"), bare(26, func(f *forger) {
			f.seq, f.signing = f.seq-1, record.SignRecords
			f.erase()
		})),
		both("the key in force signs what follows from nothing", refused("equivocation at 27"), bare(26, func(f *forger) {
			f.prev, f.signing = hashOf("nothing"), record.SignRecords
			f.erase()
		})),
		both("the key in force leaves records out", refused("removed at 27"), bare(26, func(f *forger) {
			f.seq, f.signing = f.seq+3, record.SignRecords
			f.erase()
		})),
		both("the key in force declares a gap", forged,
			sealed(26, func(f *forger) { f.seq += 3; f.signing = record.SignRecords; f.gap(f.seq-2, f.seq) })),
		both("the key in force signs for an earlier session", refused("unknown_key at 5"), without(func(s *scene) {
			s.put(at(s.envs, 4, sealAll(decodePayload(s.t, s.envs[4]), testKey(13)))...)
		})),
		both("the key in force makes a session", refused("unknown_key at 27"),
			bare(26, func(f *forger) { f.root = f.session; f.renew(); run(f) })),
		both("the key in force begins a writer", refused("unknown_key at 27"),
			bare(26, func(f *forger) { f.root = f.session; f.open(); run(f) })),
		both("the key in force rotates", refused("unknown_key at 27"), bare(26, func(f *forger) {
			f.add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{
				Key: record.KeyID(public(testKey(1))), Public: pkix(public(testKey(1))),
			}}, f.ofLedger(), f.session)
		})),
		both("the key in force takes its time back", refused("expired_key at 27"),
			bare(26, func(f *forger) { f.now = dayOne.Add(-time.Hour); run(f) })),
		both("the key in force goes on after its time", refused("expired_key at 27"),
			bare(26, func(f *forger) { f.now = dayOne.Add(48 * time.Hour); run(f) })),
		both("the key in force goes on after the next session", refused("expired_key at 28"), func(s *scene) {
			if err := s.open(); err != nil {
				s.t.Fatal(err)
			}
			f := goOn(s.t, envelopes(s.t, s.dir), testKey(13))
			f.erase()
			s.honest.envs = f.envs[:27]
			s.put(f.envs...)
		}),
		both("the key in force seals the time before it", refused("expired_key at 5"), func(s *scene) {
			s.file("checkpoint", goOn(s.t, s.envs[:5], testKey(13)).checkpoint())
		}),
		both("the key in force writes an overflow", verdict{"intact, 1 waiting", "intact", limitKey}, func(s *scene) {
			f := s.stolen(26)
			f.signing = record.SignRecords
			f.begin("forged")
			s.file("overflow.seg", segmentOf(f.envs[26:]...))
		}),
		both("the key in force writes no JSON", refused("malformed at 19"), signed(18, `{`, `[`)),
		both("the key in force writes a member twice", refused("not_canonical at 19"),
			signed(18, `"kind":"run.end"`, `"kind":"intent","kind":"run.end"`)),
		both("the key in force signs twice", refused("not_canonical at 19"), without(func(s *scene) {
			s.put(at(s.envs, 18, sealAll(decodePayload(s.t, s.envs[18]), testKey(13), testKey(13)))...)
		})),
		both("an ended session adds a run", refused("expired_key at 27"), without(func(s *scene) {
			f := goOn(s.t, s.envs, testKey(12))
			f.erase()
			s.put(f.envs...)
		})),
		both("an ended session writes its own end anew", refused("equivocation at 12"), without(func(s *scene) {
			f := goOn(s.t, s.envs[:10], testKey(12))
			f.erase()
			s.put(append(f.envs, s.envs[11:]...)...)
		})),
		both("an ended session writes its own end anew and cuts the rest", verdict{"intact", "refused", limitKey}, without(func(s *scene) {
			f := goOn(s.t, s.envs[:9], testKey(12))
			f.erase()
			s.put(f.envs...)
		})),
	}
}
