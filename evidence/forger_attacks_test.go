package evidence_test

import (
	"bytes"
	"os"
	"slices"

	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// both is a verdict on ledgers of both ways to sign.
func both(name string, v verdict, do func(s *scene)) attempt {
	return attempt{name: name, do: do, records: v, checkpoints: v}
}

// refused is damage that stops the next writer.
func refused(found string) verdict { return verdict{before: found, after: "refused"} }

// without is what somebody does who has removed the checkpoint and the tiles too.
func without(do func(s *scene)) func(s *scene) {
	return func(s *scene) { do(s); s.forget() }
}

// withoutKey is what it takes no key for.
func withoutKey() []attempt {
	editAt := func(i int, old, new string) func(s *scene) {
		return func(s *scene) { s.put(ledgertest.At(s.envs, i, ledgertest.Edit(s.t, s.envs[i], old, new))...) }
	}
	stripAt := func(i int) func(s *scene) {
		return func(s *scene) { s.put(ledgertest.At(s.envs, i, ledgertest.Strip(s.envs[i]))...) }
	}
	remove := func(i int) func(s *scene) { return func(s *scene) { s.put(slices.Delete(s.envs, i, i+1)...) } }
	cut := func(n int) func(s *scene) { return func(s *scene) { s.put(s.envs[:n]...) } }
	add := func(make func(s *scene) [][]byte) func(s *scene) {
		return func(s *scene) { s.put(append(s.envs, make(s)...)...) }
	}
	planted := func(s *scene) [][]byte { return s.unsigned(len(s.envs)) }
	replaced := func(n int) func(s *scene) {
		return func(s *scene) { s.put(append(s.envs[:n], s.unsigned(n)...)...) }
	}
	resigned := func(i int) func(s *scene) {
		return func(s *scene) {
			s.put(ledgertest.At(s.envs, i, ledgertest.SealAll(ledgertest.DecodePayload(s.t, s.envs[i]), ledgertest.Key(66)))...)
		}
	}
	marked := func(i int) func(s *scene) { // with a signature of nobody's
		return func(s *scene) {
			env := bytes.Replace(s.envs[i], []byte(`"signatures":[`), []byte(`"signatures":[{"keyid":"x","sig":"AAAA"},`), 1)
			s.put(ledgertest.At(s.envs, i, bytes.Replace(env, []byte(`,]}`), []byte(`]}`), 1))...)
		}
	}
	other := func(change func(f *ledgertest.Forger)) func(s *scene) *ledgertest.Forger {
		return func(s *scene) *ledgertest.Forger {
			f := ledgertest.NewForger(s.t)
			f.Signing = s.signing
			change(f)
			f.Open()
			f.Run("run-a", "shell")
			return f
		}
	}
	elsewhere := other(func(f *ledgertest.Forger) { f.Origin = "test" })
	sibling := other(func(f *ledgertest.Forger) { f.Salt = 9 })
	passes := func(limit string) verdict { return verdict{"intact", "intact", limit} }
	stays := func(found string) verdict { return verdict{before: found, after: found} }
	return []attempt{
		both("nothing", passes(""), func(*scene) {}),
		both("a record is edited", refused("edited at 16"), editAt(15, `"done"`, `"failed"`)),
		both("a record is edited, without a checkpoint", refused("edited at 16"), without(editAt(15, `"done"`, `"failed"`))),
		both("a record becomes another writer's", refused("edited at 21"), editAt(20, `"v":1,"writer":"019d`, `"v":1,"writer":"019e`)),
		{name: "records of another writer's stand for a group", do: without(func(s *scene) {
			f := s.after(13)
			f.Signing, f.Writer, f.Seq = record.SignCheckpoints, f.ID(), 20
			f.Begin("forged-a")
			f.Begin("forged-b")
			f.Begin("forged-c")
			f.Begin("forged-d")
			s.put(slices.Concat(f.Envs, s.envs[17:])...)
		}), records: refused("unsigned at 14"), checkpoints: refused("unsigned at 17")},
		both("the last record is edited", refused("edited at 26"), editAt(25, `"calls":1`, `"calls":2`)),
		both("a gap is edited", refused("edited at 6"), editAt(5, `queue`, `disk `)),
		both("an erasure is edited", refused("edited at 20"), editAt(19, `dpo`, `ceo`)),
		both("a refusal is edited", refused("edited at 21"), editAt(20, `collector`, `gollector`)),
		both("the first session is edited", refused("edited at 1"), editAt(0, `"signing":"`, `"signing":"x`)),
		both("a session is edited", refused("edited at 13"), editAt(12, `"signing":"`, `"signing":"x`)),
		both("a rotation is edited", refused("edited at 12"), editAt(11, `"id":"019d`, `"id":"019e`)),
		both("a record is removed", refused("removed at 16"), remove(15)),
		{name: "a session is removed", do: remove(12), records: refused("unknown_key at 13"), checkpoints: refused("unsigned at 13")},
		{name: "a renewal is removed", do: remove(8), records: refused("unknown_key at 9"), checkpoints: refused("unknown_key at 10")},
		both("a rotation is removed", refused("inconsistent at 12"), remove(11)),
		both("a gap is removed", refused("removed at 6"), remove(5)),
		both("two records change places", refused("reordered at 15"), func(s *scene) { s.put(ledgertest.Swap(s.envs, 14, 15)...) }),
		{name: "a record stands there again", do: add(func(s *scene) [][]byte { return s.envs[15:16] }),
			records: refused("replayed at 27"), checkpoints: refused("unsigned at 27")},
		both("a run stands there again", refused("replayed at 27"), func(s *scene) { s.put(append(s.envs, s.envs[13:19]...)...) }),
		both("a writer stands there again", refused("replayed at 27"), func(s *scene) { s.put(append(s.envs, s.envs[:5]...)...) }),
		both("a record of another ledger", refused("spliced at 4"), func(s *scene) { s.put(ledgertest.At(s.envs, 3, elsewhere(s).Envs[3])...) }),
		both("a writer of another ledger", refused("spliced at 27"), add(func(s *scene) [][]byte { return elsewhere(s).Envs })),
		both("a writer of a ledger of this name", refused("inconsistent at 27"), add(func(s *scene) [][]byte { return sibling(s).Envs })),
		both("a record signed by a stranger", refused("unknown_key at 19"), resigned(18)),
		both("the last signed by a stranger", refused("unknown_key at 26"), without(resigned(25))),
		both("a session signed by a stranger", refused("unknown_key at 13"), without(resigned(12))),
		both("a session by a stranger", refused("unknown_key at 27"), add(func(s *scene) [][]byte {
			f := s.after(26)
			f.Root = ledgertest.Key(66)
			f.Open()
			f.Run("forged", "transfer_money")
			return f.Envs[26:]
		})),
		both("a signature in the middle by a stranger, without a checkpoint", stays("unknown_key at 16"), without(resigned(15))),
		both("a signature of nobody's beside", refused("not_canonical at 19"), marked(18)),
		{name: "a signature of nobody's on a record", do: marked(15),
			records: refused("not_canonical at 16"), checkpoints: refused("unknown_key at 16")},
		{name: "a signature is taken", do: stripAt(18), records: refused("unsigned at 19"), checkpoints: refused("rewritten at 26")},
		{name: "a signature is taken, without a checkpoint", do: without(stripAt(18)),
			records: refused("unsigned at 19"), checkpoints: passes(limitMiddle)},
		{name: "the last signature is taken", do: stripAt(25), records: refused("unsigned at 26"), checkpoints: refused("rewritten at 26")},
		{name: "the last signature is taken, without a checkpoint", do: without(stripAt(25)),
			records: refused("unsigned at 26"), checkpoints: verdict{"intact, 7 unsigned", "intact, 7 cut", limitStripped}},
		{name: "the signatures of a writer before are taken, without a checkpoint", do: without(func(s *scene) {
			s.put(ledgertest.At(ledgertest.At(s.envs, 4, ledgertest.Strip(s.envs[4])), 10, ledgertest.Strip(s.envs[10]))...)
		}), records: refused("unsigned at 5"), checkpoints: refused("rewritten at 13")},
		{name: "all signatures of a writer are taken, without a checkpoint", do: without(func(s *scene) {
			s.put(append(s.envs[:13], ledgertest.Each(s.envs[13:], ledgertest.Strip)...)...)
		}), records: refused("unsigned at 14"), checkpoints: verdict{"intact, 13 unsigned", "intact, 13 cut", limitStripped}},
		both("all signatures are taken", refused("unsigned at 1"), without(func(s *scene) { s.put(ledgertest.Each(s.envs, ledgertest.Strip)...) })),
		{name: "history is replaced by what nobody signed", do: without(replaced(13)),
			records: refused("unsigned at 14"), checkpoints: verdict{"intact, 3 unsigned", "intact, 3 cut", limitCut}},
		{name: "history is replaced by what nobody signed, the checkpoint left", do: replaced(13),
			records: refused("unsigned at 14"), checkpoints: refused("rolled_back at 16")},
		{name: "history is replaced by what nobody signed, a checkpoint kept elsewhere", do: without(replaced(13)), given: true,
			records: refused("unsigned at 14"), checkpoints: verdict{"rolled_back at 16", "rolled_back at 14", ""}},
		{name: "history is replaced up to before a rotation", do: without(replaced(1)), // which the next writer has the key of
			records: refused("unsigned at 2"), checkpoints: verdict{"intact, 3 unsigned", "refused", limitCut}},
		{name: "a run that nobody signed is added", do: add(planted),
			records: refused("unsigned at 27"), checkpoints: verdict{"intact, 3 unsigned", "intact, 3 cut", ""}},
		{name: "a run that nobody signed is added, a checkpoint kept elsewhere", do: add(planted), given: true,
			records: refused("unsigned at 27"), checkpoints: verdict{"intact, 3 unsigned", "intact, 3 cut", ""}},
		{name: "the last group is replaced", do: without(func(s *scene) { s.put(append(s.envs[:22], s.unsigned(22)...)...) }),
			records: refused("unsigned at 23"), checkpoints: verdict{"intact, 6 unsigned", "intact, 6 cut", limitCut}},
		{name: "what a killed writer left is replaced", do: func(s *scene) {
			s.honest.Begin("run-e")
			s.put(append(s.envs, s.unsigned(26)...)...)
		}, records: refused("unsigned at 27"), checkpoints: verdict{"intact, 3 unsigned", "intact, 3 cut", limitCut}},
		both("a run that nobody signed is put in the middle", refused("unsigned at 20"), func(s *scene) {
			s.put(slices.Insert(s.envs, 19, s.unsigned(19)...)...)
		}),
		both("an overflow that nobody signed", verdict{"intact, 3 astray", "intact, 1 aside", ""}, func(s *scene) {
			s.file("overflow.seg", segmenttest.File(planted(s)...))
		}),
		both("an overflow of old records", passes(""), func(s *scene) { s.file("overflow.seg", segmenttest.File(s.envs[13:19]...)) }),
		both("an overflow that goes on after a cut", refused("removed at 22"), without(func(s *scene) {
			s.file("overflow.seg", segmenttest.File(s.envs[25:]...))
			s.put(s.envs[:22]...)
		})),
		both("the end is cut", refused("rolled_back at 19"), cut(19)),
		both("the end is cut, without a checkpoint", passes(limitCut), without(cut(19))),
		{name: "the end is cut, a checkpoint kept elsewhere", do: without(cut(19)), given: true,
			records: verdict{"rolled_back at 19", "rolled_back at 20", ""}, checkpoints: verdict{"rolled_back at 19", "rolled_back at 20", ""}},
		{name: "the end is cut within a group, without a checkpoint", do: without(cut(25)),
			records: passes(limitCut), checkpoints: verdict{"intact, 6 unsigned", "intact, 6 cut", limitCut}},
		{name: "a frame is cut", do: func(s *scene) { s.file("segments/00000000000000000001.seg", chop(segmenttest.File(s.envs...), 99)) },
			records: refused("truncated at 26"), checkpoints: refused("truncated at 26")},
		{name: "a frame is cut, without a checkpoint",
			do:          without(func(s *scene) { s.file("segments/00000000000000000001.seg", chop(segmenttest.File(s.envs...), 99)) }),
			records:     verdict{"truncated at 26", "intact, torn", limitTorn},
			checkpoints: verdict{"truncated at 26", "intact, 6 cut, torn", limitTorn}},
		both("an older copy is put back", passes(limitCut), func(s *scene) {
			f := goOn(s.t, s.envs[:19], ledgertest.Key(13))
			ledgertest.Forgery{Envs: f.Envs, Checkpoint: f.Checkpoint()}.Write(s.t, s.dir)
		}),
		both("the segment is gone", verdict{before: "error", after: "refused"},
			func(s *scene) { _ = os.Remove(s.path("segments/00000000000000000001.seg")) }),
		both("all is gone", verdict{before: "error", after: "spliced at 1"}, func(s *scene) { _ = os.RemoveAll(s.dir) }),
	}
}
