package main

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"io"
	"maps"
	"slices"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

// meaning says what a kind of damage is.
func meaning(d record.Damage) string {
	meanings := map[record.Damage]string{
		record.DamageEdited:       "edited: its bytes are not those that were written or signed",
		record.DamageTruncated:    "truncated: it was not written to its end",
		record.DamageRemoved:      "removed: records are missing and no gap declares them",
		record.DamageReordered:    "reordered: it stands after records that followed it",
		record.DamageReplayed:     "replayed: it stands there again",
		record.DamageEquivocation: "equivocation: two signed records claim one place",
		record.DamageSpliced:      "spliced: it belongs to another ledger or run",
		record.DamageUnknownKey:   "unknown_key: it is signed, but by no key that was given",
		record.DamageUnsigned:     "unsigned: nobody signed it, nor anything that follows from it",
		record.DamageNotCanonical: "not_canonical: two programs could read it differently",
		record.DamageMalformed:    "malformed: it is not a record of this version",
		record.DamageOutcome:      "outcome_without_intent: a call ended that never began",
		record.DamageInconsistent: "inconsistent: it contradicts records before it",
		record.DamageExpiredKey:   "expired_key: its key was not, or no longer, in force",
		record.DamageRewritten:    "rewritten: the records are not those that were signed before",
		record.DamageRolledBack:   "rolled_back: a checkpoint or a tile covers more than there is",
		record.DamageTile:         "wrong_tile: a tile, which is derived from the records, is not theirs",
	}
	return cmp.Or(meanings[d], escape(string(d)))
}

// advice says what to do about a ledger that is not intact.
func advice(r *evidence.Report) string {
	switch f := r.First; {
	case f.Damage == record.DamageTruncated:
		return "If an agent is writing the ledger, verify again. If one crashed, the next evidence.Open cuts " +
			"the incomplete end off and records that. Otherwise the end was cut off: compare with a copy."
	case f.Damage == record.DamageRolledBack:
		return "The end of the ledger is missing, or this is an older copy: compare with what a sink or a backup has." + goOn
	case f.Damage == record.DamageTile:
		return "The records are good, all of them. The next evidence.Open writes the tile again and records that; but " +
			"somebody wrote to the ledger who should not."
	case f.Damage == record.DamageExpiredKey:
		return "Look at the dates in the policy, and at the clock of the machine that wrote the record. If both are " +
			"right, somebody used a key after its time."
	case f.Damage == record.DamageUnknownKey && r.Records == 0:
		return "No record is signed by the keys given. Is it the right key? It must come from whoever runs the " +
			"agent, not from the ledger. Give more keys with more --key."
	case f.Damage == record.DamageUnknownKey:
		return "If the agent had more than one key, give each with its own --key. Otherwise somebody else " +
			"wrote the record."
	case f.Damage == record.DamageSpliced && r.Records == 0:
		return "No record is of the ledger " + escape(r.Ledger) + ": check the directory and --ledger."
	case r.Records == 0:
		return "Nothing in the ledger can be relied on: compare with what a sink, a backup or a checkpoint " +
			"kept elsewhere says."
	}
	return "Keep the directory as it is, and compare with what a sink, a backup or a checkpoint kept elsewhere " +
		"says. " + whatIsReliable(r) + goOn
}

// goOn is advised where an agent cannot go on with its ledger.
const goOn = " An agent goes on in a new ledger: safeconduct succeed begins one that names this one."

// whatIsReliable says what of a ledger that is not intact can be relied on.
func whatIsReliable(r *evidence.Report) string {
	switch r.Proven {
	case 0:
		return "Do not rely on any of it."
	case 1:
		return "Record 1 is proven; do not rely on what follows."
	}
	return fmt.Sprintf("Records 1 to %d are proven; do not rely on what follows.", r.Proven)
}

// writeReport writes r for people. The ledger in dir was checked against keys.
func writeReport(out io.Writer, dir string, keys []ed25519.PublicKey, r *evidence.Report) {
	w := fields{out}
	next := "Keep the checkpoint where the agent cannot change it: only that shows later whether the ledger was cut or " +
		"written again."
	if r.Intact() {
		fmt.Fprintf(w, "intact\n\n")
		if r.Checkpoint == nil {
			next = "It has no checkpoint yet: the writer signs one about a second after a record, and when it is closed. " +
				"Kept elsewhere, that shows later whether the ledger was cut or written again."
		}
	} else {
		next = advice(r)
		w.finding(r, keys)
	}
	w.counts(r)
	fmt.Fprintln(w)
	for _, line := range wrap(next, reportWidth) {
		fmt.Fprintln(w, line)
	}
	if r.Intact() && r.Checkpoint != nil {
		fmt.Fprintf(w, "To print it: safeconduct checkpoint %s\n", escape(dir))
	}
	if !r.Intact() || r.Cut > 0 || r.Aside > 0 || r.Torn > 0 || r.Interrupted > 0 || r.Unknown > 0 || r.Gaps > 0 {
		fmt.Fprintf(w, "To see what happened: safeconduct inspect %s\n", escape(dir))
	}
}

// finding writes what is wrong, the first of it in detail.
func (w fields) finding(r *evidence.Report, keys []ed25519.PublicKey) {
	f := r.First
	if f.Record == 0 { // it is about the ledger as a whole
		fmt.Fprintf(w, "NOT INTACT: %s\n\n", escape(f.Detail))
		return
	}
	fmt.Fprintf(w, "NOT INTACT: record %d: %s\n\n", f.Record, escape(string(f.Damage)))
	w.field("damage", "%s", meaning(f.Damage))
	w.sentence("detail", escape(f.Detail))
	if f.Damage == record.DamageUnknownKey {
		for _, key := range keys {
			w.field("given", "%q", record.KeyID(key))
		}
	}
	w.field("where", "segment %d, offset %d", f.Segment, f.Offset)
	if f.Writer != "" {
		w.field("writer", "%s, seq %d", escape(f.Writer), f.Seq)
	}
	if f.Run != "" {
		w.field("run", "%s", escape(f.Run))
	}
	if len(r.Damage) > 1 || r.Damage[f.Damage] > 1 {
		var all []part
		for _, d := range slices.Sorted(maps.Keys(r.Damage)) {
			all = append(all, part{r.Damage[d], escape(string(d))})
		}
		w.field("in all", "%s", joinParts(all))
	}
	fmt.Fprintln(w)
}

// counts writes what the ledger holds.
func (w fields) counts(r *evidence.Report) {
	if r.Ledger != "" {
		w.field("ledger", "%s", escape(r.Ledger))
	}
	segments := count(uint64(r.Segments), "segment")
	if r.Records == 0 {
		w.field("records", "none that is good, in %s, %s", segments, size(r.Bytes))
		return
	}
	w.field("records", "%d by %s in %s, %s", r.Records, count(r.Writers, "writer"), segments, size(r.Bytes))
	w.some("unsigned", r.Unsigned, "record", "%s at the end that no signature covers yet, and that count as nothing")
	w.some("cut off", r.Cut, "record", "%s that nothing had signed, when the ledger was opened")
	w.some("set aside", r.Aside, "overflow file", "%s that did not belong to it, when the ledger was opened")
	if r.Torn > 0 {
		w.field("torn", "%s of records that were not whole, cut off when the ledger was opened", size(r.Torn))
	}
	w.field("runs", "%s", totalOf(r.Runs, part{r.Runs - r.Interrupted - r.Partial, "ended"},
		part{r.Interrupted, "interrupted"}, part{r.Partial, "without a root call"}))
	w.field("calls", "%s", totalOf(r.Calls, part{r.Done, "done"}, part{r.Denied, "denied"}, part{r.Failed, "failed"},
		part{r.Cancelled, "cancelled"}, part{r.Unknown, "unknown"}))
	w.some("overruled", r.Overruled, "call", "%s done although a gate denied them")
	w.some("late", r.Late, "record", "%s after the end of their run")
	if r.Gaps > 0 {
		w.field("gaps", "%d, %s declared lost", r.Gaps, count(r.Lost, "record"))
	} else {
		w.field("gaps", "none")
	}
	w.sessionsAndTree(r)
	if h := r.Head; h != nil {
		w.field("head", "%s", h.Hash)
		w.field("", "record %d of writer %s", h.Seq, escape(h.Writer))
	}
}

// sessionsAndTree writes what stands beside the runs, and the tree.
func (w fields) sessionsAndTree(r *evidence.Report) {
	w.field("sessions", "%d%s", r.Sessions, andMore(r.Rotations, "rotation", " of the root key"))
	w.some("refused", r.Refused, "record", "%s that a sink did not take")
	w.some("erased", r.Erased, "content", "%s that can no longer be disclosed")
	w.some("clock", r.ClockSteps, "time", "set %s, by more than a minute")
	w.some("waiting", r.Waiting, "record", "%s in overflow.seg, which the next evidence.Open takes over")
	if r.Astray > 0 {
		w.field("astray", "%s in overflow.seg that do not follow or that nothing signed:", count(r.Astray, "record"))
		w.field("", "the next evidence.Open sets them aside")
	}
	if r.Overflow > 0 && r.Waiting == 0 && r.Astray == 0 {
		w.field("overflow", "%s in overflow.seg", size(r.Overflow))
	}
	if r.MissingTiles > 0 {
		w.field("tiles", "%d missing, which the next evidence.Open makes again", r.MissingTiles)
	}
	w.field("root", "%s", r.Root)
	switch c := r.Checkpoint; {
	case c == nil:
		w.field("checkpoint", "none that is good")
	case c.Records == r.Records:
		w.field("checkpoint", "covers all records")
	default:
		w.field("checkpoint", "covers %s", count(c.Records, "record"))
	}
}
