package evidence_test

import (
	"bytes"
	"os"
	"time"

	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
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
		both("an older checkpoint", same, write(func(s *scene) []byte { return goOn(s.t, s.envs[:19], ledgertest.Key(13)).Checkpoint() })),
		both("a checkpoint by a stranger", refused("unknown_key at 26"),
			write(func(s *scene) []byte { return s.honest.CheckpointBy(ledgertest.Key(66)) })),
		both("a checkpoint by an ended session", refused("expired_key at 26"),
			write(func(s *scene) []byte { return s.honest.CheckpointBy(ledgertest.Key(11)) })),
		both("a checkpoint of another ledger", refused("spliced at 26"), write(func(s *scene) []byte {
			c := tiles.Checkpoint{Origin: "test", Size: s.honest.Tree.Size(), Root: s.honest.Tree.Root()}
			return ledgertest.SignCheckpoint(s.t, c, ledgertest.Key(13))
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
		both("a tile is flipped", verdict{"wrong_tile at 302", "intact", ""}, func(s *scene) { ledgertest.Flip(s.t, s.path("tile/0/000"), 99, 1) }),
		both("a tile is gone", same, func(s *scene) { _ = os.Remove(s.path("tile/0/000")) }),
		both("a tile is emptied", same, func(s *scene) { _ = os.Truncate(s.path("tile/0/000"), 0) }),
		both("a tile beyond the tree", refused("rolled_back at 302"), func(s *scene) { s.file("tile/0/001", nil) }),
		both("a tile of another level", refused("rolled_back at 302"), func(s *scene) { s.file("tile/1/000", nil) }),
		both("the end is cut, the tiles left", cut, func(s *scene) {
			s.put(s.envs[:200]...)
			_ = os.Remove(s.path("checkpoint"))
		}),
		{name: "a signature is taken, the tiles left", do: func(s *scene) {
			s.put(ledgertest.At(s.envs, 18, ledgertest.Strip(s.envs[18]))...)
			_ = os.Remove(s.path("checkpoint"))
		}, records: refused("unsigned at 19"), checkpoints: verdict{"wrong_tile at 302", "intact", limitMiddle}},
	}
}

// withSessionKey is what the holder of a session key can do who has no root key.
func withSessionKey() []attempt {
	forged := verdict{"intact", "intact", limitKey}
	// sealed has the thief write on after the first n records, and sign the checkpoint.
	sealed := func(n int, write func(f *ledgertest.Forger)) func(s *scene) {
		return func(s *scene) {
			f := s.stolen(n)
			write(f)
			s.put(f.Envs...)
			s.file("checkpoint", f.Checkpoint())
		}
	}
	run := func(f *ledgertest.Forger) { f.Run("forged", "transfer_money") }
	// bare has no checkpoint left.
	bare := func(n int, write func(f *ledgertest.Forger)) func(s *scene) { return without(sealed(n, write)) }
	rotate := func(key byte) func(f *ledgertest.Forger) {
		return func(f *ledgertest.Forger) {
			public := ledgertest.Public(ledgertest.Key(key))
			f.Add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{Key: record.KeyID(public), Public: ledgertest.PKIX(public)}},
				f.OfLedger(), f.Session)
		}
	}
	signed := func(i int, old, new string) func(s *scene) {
		return without(func(s *scene) {
			s.put(ledgertest.At(s.envs, i, resign(s.t, s.envs[i], ledgertest.Key(13), old, new))...)
		})
	}
	return []attempt{
		both("the key in force adds a run", forged, sealed(26, run)),
		both("the key in force writes the last runs anew", forged, sealed(19, run)),
		both("the key in force cuts the end", verdict{"intact", "intact", limitKey}, sealed(19, func(f *ledgertest.Forger) { f.Run("run-d", "mail") })),
		both("the key in force writes anew under the old checkpoint", refused("rewritten at 26"), func(s *scene) {
			f := s.stolen(22)
			f.Run("run-d", "shell")
			s.put(f.Envs...)
		}),
		{name: "the key in force writes anew, a checkpoint kept elsewhere", given: true,
			do:      sealed(22, func(f *ledgertest.Forger) { f.Run("run-d", "shell") }),
			records: verdict{"rewritten at 26", "rewritten at 26", ""}, checkpoints: verdict{"rewritten at 26", "rewritten at 26", ""}},
		both("the key in force changes one record", refused("equivocation at 20"), signed(18, `"id":"019d`, `"id":"019e`)),
		both("the key in force signs two at one place", refused("equivocation at 27"), bare(26, func(f *ledgertest.Forger) {
			f.Seq, f.Signing = f.Seq-1, record.SignRecords
			f.Erase()
		})),
		both("the key in force signs what follows from nothing", refused("equivocation at 27"), bare(26, func(f *ledgertest.Forger) {
			f.Prev, f.Signing = ledgertest.HashOf("nothing"), record.SignRecords
			f.Erase()
		})),
		both("the key in force leaves records out", refused("removed at 27"), bare(26, func(f *ledgertest.Forger) {
			f.Seq, f.Signing = f.Seq+3, record.SignRecords
			f.Erase()
		})),
		both("the key in force declares a gap", forged,
			sealed(26, func(f *ledgertest.Forger) { f.Seq += 3; f.Signing = record.SignRecords; f.Gap(f.Seq-2, f.Seq) })),
		both("the key in force signs for an earlier session", refused("unknown_key at 5"), without(func(s *scene) {
			s.put(ledgertest.At(s.envs, 4, ledgertest.SealAll(ledgertest.DecodePayload(s.t, s.envs[4]), ledgertest.Key(13)))...)
		})),
		both("the key in force makes a session", refused("unknown_key at 27"),
			bare(26, func(f *ledgertest.Forger) { f.Root = f.Session; f.Renew(); run(f) })),
		both("the key in force begins a writer", refused("unknown_key at 27"),
			bare(26, func(f *ledgertest.Forger) { f.Root = f.Session; f.Open(); run(f) })),
		both("the key in force rotates", refused("unknown_key at 27"), bare(26, rotate(1))),
		both("the key in force rotates to the key that opens", refused("unknown_key at 27"), bare(26, rotate(2))),
		both("the key in force takes its time back", refused("expired_key at 27"),
			bare(26, func(f *ledgertest.Forger) { f.Now = ledgertest.DayOne.Add(-time.Hour); run(f) })),
		both("the key in force goes on after its time", refused("expired_key at 27"),
			bare(26, func(f *ledgertest.Forger) { f.Now = ledgertest.DayOne.Add(48 * time.Hour); run(f) })),
		both("the key in force goes on after the next session", refused("expired_key at 28"), func(s *scene) {
			if err := s.open(); err != nil {
				s.t.Fatal(err)
			}
			f := goOn(s.t, ledgertest.Envelopes(s.t, s.dir), ledgertest.Key(13))
			f.Erase()
			s.honest.Envs = f.Envs[:27]
			s.put(f.Envs...)
		}),
		both("the key in force seals the time before it", refused("expired_key at 5"), func(s *scene) {
			s.file("checkpoint", goOn(s.t, s.envs[:5], ledgertest.Key(13)).Checkpoint())
		}),
		both("the key in force writes an overflow", verdict{"intact, 1 waiting", "intact", limitKey}, func(s *scene) {
			f := s.stolen(26)
			f.Signing = record.SignRecords
			f.Begin("forged")
			s.file("overflow.seg", segmenttest.File(f.Envs[26:]...))
		}),
		both("the key in force writes no JSON", refused("malformed at 19"), signed(18, `{`, `[`)),
		both("the key in force writes a member twice", refused("not_canonical at 19"),
			signed(18, `"kind":"run.end"`, `"kind":"intent","kind":"run.end"`)),
		both("the key in force signs twice", refused("not_canonical at 19"), without(func(s *scene) {
			s.put(ledgertest.At(s.envs, 18, ledgertest.SealAll(ledgertest.DecodePayload(s.t, s.envs[18]), ledgertest.Key(13), ledgertest.Key(13)))...)
		})),
		both("an ended session adds a run", refused("expired_key at 27"), without(func(s *scene) {
			f := goOn(s.t, s.envs, ledgertest.Key(12))
			f.Erase()
			s.put(f.Envs...)
		})),
		both("an ended session writes its own end anew", refused("equivocation at 12"), without(func(s *scene) {
			f := goOn(s.t, s.envs[:10], ledgertest.Key(12))
			f.Erase()
			s.put(append(f.Envs, s.envs[11:]...)...)
		})),
		both("an ended session writes its own end anew and cuts the rest", verdict{"intact", "refused", limitKey}, without(func(s *scene) {
			f := goOn(s.t, s.envs[:9], ledgertest.Key(12))
			f.Erase()
			s.put(f.Envs...)
		})),
	}
}
