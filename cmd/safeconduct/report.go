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
)

// meaning says what a kind of damage is.
func meaning(d evidence.Damage) string {
	switch d {
	case evidence.DamageEdited:
		return "edited: its bytes are not those that were written or signed"
	case evidence.DamageTruncated:
		return "truncated: it is not whole"
	case evidence.DamageRemoved:
		return "removed: records are missing and no gap declares them"
	case evidence.DamageReordered:
		return "reordered: it stands after records that followed it"
	case evidence.DamageReplayed:
		return "replayed: it stands there again"
	case evidence.DamageEquivocation:
		return "equivocation: two signed records claim one place"
	case evidence.DamageSpliced:
		return "spliced: it belongs to another ledger or run"
	case evidence.DamageUnknownKey:
		return "unknown_key: it is signed, but by no key that was given"
	case evidence.DamageUnsigned:
		return "unsigned: nobody signed it"
	case evidence.DamageNotCanonical:
		return "not_canonical: two programs could read it differently"
	case evidence.DamageMalformed:
		return "malformed: it is not a record of this version"
	case evidence.DamageOutcome:
		return "outcome_without_intent: a call ended that never began"
	case evidence.DamageInconsistent:
		return "inconsistent: it contradicts records before it"
	}
	return escape(string(d))
}

// advice says what to do about a ledger that is not intact.
func advice(r *evidence.Report) string {
	switch f := r.First; {
	case f.Damage == evidence.DamageTruncated:
		return "If an agent is writing the ledger, verify again. If one crashed, the next evidence.Open cuts " +
			"the incomplete end off and records that. Otherwise the end was cut off: compare with a copy."
	case f.Damage == evidence.DamageUnknownKey && r.Records == 0:
		return "No record is signed by the keys given. Is it the right key? It must come from whoever runs the " +
			"agent, not from the ledger. Give more keys with more --key."
	case f.Damage == evidence.DamageUnknownKey:
		return "If the agent had more than one key, give each with its own --key. Otherwise somebody else " +
			"wrote the record."
	case f.Damage == evidence.DamageSpliced && r.Records == 0:
		return "No record is of the ledger " + escape(r.Ledger) + ": check the directory and --ledger."
	case r.Records == 0:
		return "Nothing in the ledger can be relied on: compare with what a sink, a backup or a head kept " +
			"elsewhere says."
	}
	return "Keep the directory as it is, and compare with what a sink, a backup or a head kept elsewhere says. " +
		"What stands before the first bad record is good; do not rely on what follows."
}

// reportWidth bounds sentences in the report.
const reportWidth = 88

// A rows writes a report as names and values.
type rows struct{ io.Writer }

func (w rows) row(name, format string, args ...any) {
	fmt.Fprintf(w, "%-8s  %s\n", name, fmt.Sprintf(format, args...))
}

// writeReport writes r for people. The ledger in dir was checked against keys.
func writeReport(out io.Writer, dir string, keys []ed25519.PublicKey, r *evidence.Report) {
	w := rows{out}
	next := "Keep the head elsewhere: only it shows later whether the ledger was cut off before it."
	if r.Intact() {
		fmt.Fprintf(w, "intact\n\n")
	} else {
		next = advice(r)
		w.finding(r, keys)
	}
	w.counts(r)
	fmt.Fprintln(w)
	for _, line := range wrap(next, reportWidth) {
		fmt.Fprintln(w, line)
	}
	if !r.Intact() || r.Interrupted > 0 || r.Unknown > 0 || r.Gaps > 0 {
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
	for i, line := range wrap(escape(f.Detail), reportWidth-10) {
		w.row([]string{"detail", ""}[min(i, 1)], "%s", line)
	}
	if f.Damage == evidence.DamageUnknownKey {
		for _, key := range keys {
			w.row("given", "%q", evidence.KeyID(key))
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
	w.row("runs", "%s", list(r.Runs, part{r.Runs - r.Interrupted - r.Partial, "ended"},
		part{r.Interrupted, "interrupted"}, part{r.Partial, "without a root call"}))
	w.row("calls", "%s", list(r.Calls, part{r.Done, "done"}, part{r.Denied, "denied"}, part{r.Failed, "failed"},
		part{r.Cancelled, "cancelled"}, part{r.Unknown, "unknown"}))
	if r.Late > 0 {
		w.row("late", "%s after the end of their run", count(r.Late, "record"))
	}
	if r.Gaps > 0 {
		w.row("gaps", "%d, %s declared lost", r.Gaps, count(r.Lost, "record"))
	} else {
		w.row("gaps", "none")
	}
	if h := r.Head; h != nil {
		w.row("head", "%s", h.Hash)
		w.row("", "record %d of writer %s", h.Seq, escape(h.Writer))
	}
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
