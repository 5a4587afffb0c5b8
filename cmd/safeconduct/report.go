package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

// meaning says what a kind of damage is.
func meaning(d record.Damage) string {
	switch d {
	case record.DamageEdited:
		return "edited: its bytes are not those that were written or signed"
	case record.DamageTruncated:
		return "truncated: it was not written to its end"
	case record.DamageRemoved:
		return "removed: records are missing and no gap declares them"
	case record.DamageReordered:
		return "reordered: it stands after records that followed it"
	case record.DamageReplayed:
		return "replayed: it stands there again"
	case record.DamageEquivocation:
		return "equivocation: two signed records claim one place"
	case record.DamageSpliced:
		return "spliced: it belongs to another ledger or run"
	case record.DamageUnknownKey:
		return "unknown_key: it is signed, but by no key that was given"
	case record.DamageUnsigned:
		return "unsigned: nobody signed it, nor anything that follows from it"
	case record.DamageNotCanonical:
		return "not_canonical: two programs could read it differently"
	case record.DamageMalformed:
		return "malformed: it is not a record of this version"
	case record.DamageOutcome:
		return "outcome_without_intent: a call ended that never began"
	case record.DamageInconsistent:
		return "inconsistent: it contradicts records before it"
	case record.DamageExpiredKey:
		return "expired_key: its key was not, or no longer, in force"
	case record.DamageRewritten:
		return "rewritten: the records are not those that were signed before"
	case record.DamageRolledBack:
		return "rolled_back: a checkpoint or a tile covers more than there is"
	case record.DamageTile:
		return "wrong_tile: a tile, which is derived from the records, is not theirs"
	}
	return escape(string(d))
}

// advice says what to do about a ledger that is not intact.
func advice(r *evidence.Report) string {
	switch f := r.First; {
	case f.Damage == record.DamageTruncated:
		return "If an agent is writing the ledger, verify again. If one crashed, the next evidence.Open cuts " +
			"the incomplete end off and records that. Otherwise the end was cut off: compare with a copy."
	case f.Damage == record.DamageRolledBack:
		return "The end of the ledger is missing, or this is an older copy: compare with what a sink or a backup has."
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
		"says. " + reliable(r)
}

// reliable says what of a ledger that is not intact can be relied on.
func reliable(r *evidence.Report) string {
	switch r.Proven {
	case 0:
		return "Do not rely on any of it."
	case 1:
		return "Record 1 is proven; do not rely on what follows."
	}
	return fmt.Sprintf("Records 1 to %d are proven; do not rely on what follows.", r.Proven)
}

// reportWidth bounds sentences in the report.
const reportWidth = 88

// A rows writes a report as names and values.
type rows struct{ io.Writer }

func (w rows) row(name, format string, args ...any) {
	fmt.Fprintf(w, "%-10s  %s\n", name, fmt.Sprintf(format, args...))
}

// writeReport writes r for people. The ledger in dir was checked against keys.
func writeReport(out io.Writer, dir string, keys []ed25519.PublicKey, r *evidence.Report) {
	w := rows{out}
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
func (w rows) finding(r *evidence.Report, keys []ed25519.PublicKey) {
	f := r.First
	if f.Record == 0 { // it is about the ledger as a whole
		fmt.Fprintf(w, "NOT INTACT: %s\n\n", escape(f.Detail))
		return
	}
	fmt.Fprintf(w, "NOT INTACT: record %d: %s\n\n", f.Record, escape(string(f.Damage)))
	w.row("damage", "%s", meaning(f.Damage))
	for i, line := range wrap(escape(f.Detail), reportWidth-12) {
		w.row([]string{"detail", ""}[min(i, 1)], "%s", line)
	}
	if f.Damage == record.DamageUnknownKey {
		for _, key := range keys {
			w.row("given", "%q", record.KeyID(key))
		}
	}
	w.row("where", "segment %d, offset %d", f.Segment, f.Offset)
	if f.Writer != "" {
		w.row("writer", "%s, seq %d", escape(f.Writer), f.Seq)
	}
	if f.Run != "" {
		w.row("run", "%s", escape(f.Run))
	}
	if len(r.Damage) > 1 || r.Damage[f.Damage] > 1 {
		var all []part
		for _, d := range slices.Sorted(maps.Keys(r.Damage)) {
			all = append(all, part{r.Damage[d], escape(string(d))})
		}
		w.row("in all", "%s", join(all))
	}
	fmt.Fprintln(w)
}

// counts writes what the ledger holds.
func (w rows) counts(r *evidence.Report) {
	if r.Ledger != "" {
		w.row("ledger", "%s", escape(r.Ledger))
	}
	segments := count(uint64(r.Segments), "segment")
	if r.Records == 0 {
		w.row("records", "none that is good, in %s, %s", segments, size(r.Bytes))
		return
	}
	w.row("records", "%d by %s in %s, %s", r.Records, count(r.Writers, "writer"), segments, size(r.Bytes))
	if r.Unsigned > 0 {
		w.row("unsigned", "%s at the end that no signature covers yet, and that count as nothing", count(r.Unsigned, "record"))
	}
	if r.Cut > 0 {
		w.row("cut off", "%s that nothing had signed, when the ledger was opened", count(r.Cut, "record"))
	}
	if r.Aside > 0 {
		w.row("set aside", "%s that did not belong to it, when the ledger was opened", count(r.Aside, "overflow file"))
	}
	if r.Torn > 0 {
		w.row("torn", "%s of records that were not whole, cut off when the ledger was opened", size(r.Torn))
	}
	w.row("runs", "%s", list(r.Runs, part{r.Runs - r.Interrupted - r.Partial, "ended"},
		part{r.Interrupted, "interrupted"}, part{r.Partial, "without a root call"}))
	w.row("calls", "%s", list(r.Calls, part{r.Done, "done"}, part{r.Denied, "denied"}, part{r.Failed, "failed"},
		part{r.Cancelled, "cancelled"}, part{r.Unknown, "unknown"}))
	if r.Overruled > 0 {
		w.row("overruled", "%s done although a gate denied them", count(r.Overruled, "call"))
	}
	if r.Late > 0 {
		w.row("late", "%s after the end of their run", count(r.Late, "record"))
	}
	if r.Gaps > 0 {
		w.row("gaps", "%d, %s declared lost", r.Gaps, count(r.Lost, "record"))
	} else {
		w.row("gaps", "none")
	}
	w.keys(r)
	if h := r.Head; h != nil {
		w.row("head", "%s", h.Hash)
		w.row("", "record %d of writer %s", h.Seq, escape(h.Writer))
	}
}

// keys writes what stands beside the runs, and the tree.
func (w rows) keys(r *evidence.Report) {
	w.row("sessions", "%d%s", r.Sessions, more(r.Rotations, "rotation", " of the root key"))
	if r.Refused > 0 {
		w.row("refused", "%s that a sink did not take", count(r.Refused, "record"))
	}
	if r.Erased > 0 {
		w.row("erased", "%s that can no longer be disclosed", count(r.Erased, "content"))
	}
	if r.ClockSteps > 0 {
		w.row("clock", "set %s, by more than a minute", count(r.ClockSteps, "time"))
	}
	if r.Waiting > 0 {
		w.row("waiting", "%s in overflow.seg, which the next evidence.Open takes over", count(r.Waiting, "record"))
	}
	if r.Astray > 0 {
		w.row("astray", "%s in overflow.seg that do not follow or that nothing signed:", count(r.Astray, "record"))
		w.row("", "the next evidence.Open sets them aside")
	}
	if r.Overflow > 0 && r.Waiting == 0 && r.Astray == 0 {
		w.row("overflow", "%s in overflow.seg", size(r.Overflow))
	}
	if r.MissingTiles > 0 {
		w.row("tiles", "%d missing, which the next evidence.Open makes again", r.MissingTiles)
	}
	w.row("root", "%s", r.Root)
	switch c := r.Checkpoint; {
	case c == nil:
		w.row("checkpoint", "none that is good")
	case c.Records == r.Records:
		w.row("checkpoint", "covers all records")
	default:
		w.row("checkpoint", "covers %s", count(c.Records, "record"))
	}
}

// more returns ", 2 rotations of the root key".
func more(n uint64, noun, of string) string {
	if n == 0 {
		return ""
	}
	return ", " + count(n, noun) + of
}

// A part is one of the kinds of what is counted.
type part struct {
	n    uint64
	name string
}

// list returns "3: 2 done, 1 denied".
func list(total uint64, parts ...part) string {
	s := strconv.FormatUint(total, 10)
	if all := join(parts); all != "" {
		s += ": " + all
	}
	return s
}

// join returns "2 done, 1 denied", without the kinds that there are none of.
func join(parts []part) string {
	var s []string
	for _, p := range parts {
		if p.n > 0 {
			s = append(s, strconv.FormatUint(p.n, 10)+" "+p.name)
		}
	}
	return strings.Join(s, ", ")
}
