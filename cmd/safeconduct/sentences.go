package main

import (
	"cmp"
	"fmt"
	"strings"

	"example.com/safeconduct/evidence/record"
)

// who says whom a record names: "subject alice, tenant acme".
func who(w *record.Who) string {
	var s []string
	for _, f := range [...]struct{ name, value string }{{"subject", w.Subject}, {"session", w.Session}, {"tenant", w.Tenant}} {
		if f.value != "" {
			s = append(s, f.name+" "+escape(f.value))
		}
	}
	return strings.Join(s, ", ")
}

// coverage says how much of an agent is guarded.
func coverage(c *record.Coverage) string {
	s := fmt.Sprintf("coverage: %d guarded, %d not guarded", c.Guarded, c.Unguarded)
	if c.Opaque > 0 {
		s += fmt.Sprintf(", %d opaque", c.Opaque)
	}
	return s
}

// A denial is who denied, and why. It serves for other decisions too.
type denial struct{ gate, code, reason string }

// inBrackets returns " (a, b)" of the classes of an error.
func inBrackets(classes []string) string {
	if len(classes) == 0 {
		return ""
	}
	return " (" + escape(strings.Join(classes, ", ")) + ")"
}

// ranges names the first few.
func ranges(all []record.Range) string {
	const most = 4
	var s []string
	for _, r := range all[:min(len(all), most)] {
		s = append(s, fmt.Sprintf("seq %d to %d of writer %s", r.From, r.To, escape(r.Writer)))
	}
	if n := len(all) - most; n > 0 {
		s = append(s, count(uint64(n), "more range"))
	}
	return strings.Join(s, ", ")
}

// recovered says what the writer mended to begin.
func recovered(r *record.Recovered) string {
	if r == nil {
		return ""
	}
	var s []string
	if r.Bytes > 0 || r.Segment > 0 {
		s = append(s, fmt.Sprintf("cut %s off segment %d", size(r.Bytes), r.Segment))
	}
	if r.Overflow > 0 {
		s = append(s, "took over "+count(r.Overflow, "record")+" of the overflow")
	}
	if r.Tiles > 0 {
		s = append(s, "wrote "+count(r.Tiles, "tile")+" again")
	}
	if r.Unsigned != nil {
		s = append(s, "cut off "+count(r.Unsigned.Records, "record")+" that nothing signed")
	}
	if r.Aside != nil {
		s = append(s, "set "+size(r.Aside.Bytes)+" of the overflow aside")
	}
	return "  " + strings.Join(s, ", ")
}

// verdict returns the verdict of a decision as a participle.
func verdict(d *record.Decision) string {
	word := escape(d.Verdict)
	switch d.Verdict {
	case "allow":
		word = "allowed"
	case "deny":
		word = "denied"
	case "transform":
		word = "transformed"
	}
	if d.Shadow {
		word += " in shadow"
	}
	return word
}

// byWhom returns " by tools (tool_not_allowed): reason", with how before the colon.
func byWhom(d denial, how string) string {
	s := " by an interceptor without a name"
	if d.gate != "" {
		s = " by " + escape(d.gate)
	}
	if d.code != "" {
		s += " (" + escape(d.code) + ")"
	}
	s += how
	if d.reason != "" {
		s += ": " + escape(d.reason)
	}
	return s
}

// summary says in a line what a record says, escaped.
func summary(r *record.Record) string {
	var s []string
	add := func(format string, args ...any) { s = append(s, escape(fmt.Sprintf(format, args...))) }
	if c := r.Call; c != nil {
		add("%s %s", c.Kind, c.Name)
	}
	switch o := r.Outcome; {
	case o == nil:
	case o.Result == record.ResultDenied:
		s = append(s, "denied"+byWhom(denial{o.Gate, o.Code, o.Reason}, ""))
	case len(o.Error) > 0:
		add("%s, %s", o.Result, strings.Join(o.Error, ", "))
	default:
		add("%s", o.Result)
	}
	if g := r.Gap; g != nil {
		add("%s lost: %s", count(g.Count, "record"), g.Reason)
	}
	if e := r.Erased; e != nil {
		add("%s, by authority of %s: %s", e.Commitment, e.Authority, e.Reason)
	}
	if e := r.RunEnd; e != nil {
		add("%s", count(e.Calls, "call"))
	}
	if k := r.Session; k != nil {
		add("key %.16s until %s", k.Key, date(k.NotAfter))
		if p := k.Predecessor; p != nil {
			add("succeeds %s (%s): %s", cmp.Or(p.Ledger, "a ledger of unknown origin"), count(p.Tree.Records, "record"), p.Reason)
		}
	}
	if k := r.Rotate; k != nil {
		add("to root key %s", k.Key)
	}
	if r.Kind == record.KindStart && r.Who != nil {
		s = append(s, who(r.Who))
	}
	if r.Coverage != nil {
		s = append(s, coverage(r.Coverage))
	}
	return strings.Join(s, ": ")
}
