package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/evidence/record"
)

// The measures of what is printed, in characters.
const (
	lineWidth = 80
	minTree   = 20
	maxTree   = 32
	maxIndent = 16 // calls nested deeper are not indented further
)

// printRun prints a run that is over.
func (t *timelines) printRun(run *timeline) error {
	t.blank()
	t.total++
	fmt.Fprintf(t.out, "run %s  %s\n", escape(run.id), run.status())
	if !run.ended && run.started {
		t.interrupted++
	}
	if run.who != nil {
		t.printParagraph("  ", who(run.who))
	}
	if run.cover != nil {
		t.printParagraph("  ", coverage(run.cover))
	}
	rows := run.tree()
	width := minTree
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row.label()))
	}
	tokens := slices.ContainsFunc(run.calls, func(c *call) bool { return c.usage != nil })
	for _, row := range rows {
		t.printCall(row, min(width, maxTree), tokens)
	}
	return t.err()
}

// status returns when the run was, and how it ended.
func (run *timeline) status() string {
	switch {
	case run.started && run.ended:
		return fmt.Sprintf("%s  ended after %s", date(run.start), milliseconds(run.to-run.from))
	case run.started:
		return date(run.start) + ", interrupted or running"
	case run.ended:
		return "ended, its beginning is missing"
	}
	return "its beginning is missing, or stands above"
}

// A row is a call and its place in the tree.
type row struct {
	*call
	depth       int
	deniedBelow bool // one of the calls that it made has the same denial
}

func (r *row) indent() int { return min(2*r.depth, maxIndent) }

func (r *row) label() string {
	return strings.Repeat(" ", r.indent()) + r.kind + " " + r.name
}

// tree returns the calls of the run, each followed by those that it made. A call
// belongs to one that was recorded before it, so that even a ledger that was made
// up has no circles.
func (run *timeline) tree() []*row {
	rows := make(map[uint32]*row, len(run.calls))
	children := make(map[*row][]*row)
	var roots []*row
	for _, c := range run.calls {
		r := &row{call: c}
		parent := rows[c.parent]
		if parent == nil {
			roots = append(roots, r)
		} else {
			children[parent] = append(children[parent], r)
			parent.deniedBelow = parent.deniedBelow || c.result == record.ResultDenied && c.denial == parent.denial
		}
		rows[c.id] = r
	}
	var all []*row
	for stack := reversed(roots); len(stack) > 0; {
		r := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		all = append(all, r)
		for _, child := range children[r] {
			child.depth = r.depth + 1
		}
		stack = append(stack, reversed(children[r])...)
	}
	return all
}

func reversed(rows []*row) []*row {
	rows = slices.Clone(rows)
	slices.Reverse(rows)
	return rows
}

// printCall prints a call: its place in the tree, what came of it, how long it took,
// the tokens if the run has any, and which gates allowed it. What else there is
// to say about it follows below.
func (t *timelines) printCall(r *row, width int, tokens bool) {
	t.calls++
	result, latency := string(r.result), milliseconds(r.latency)
	if r.result == "" {
		t.unknown++
		result, latency = "unknown", ""
	}
	line := fmt.Sprintf("  %s  %-9s  %10s", pad(clip(r.label(), width), width), result, latency)
	if tokens {
		in, out := r.tokens()
		line += fmt.Sprintf("  %8s  %9s", in, out)
	}
	notes := slices.Concat(r.notes, r.remarks())
	if len(r.allowed) > 0 {
		s := "allowed by " + strings.Join(r.allowed, ", ")
		if utf8.RuneCountInString(line)+2+utf8.RuneCountInString(s) <= lineWidth {
			line += "  " + s
		} else {
			notes = slices.Insert(notes, 0, s)
		}
	}
	fmt.Fprintln(t.out, strings.TrimRight(line, " "))
	for _, note := range notes {
		t.printParagraph(strings.Repeat(" ", 2+r.indent()+2), note)
	}
}

// tokens returns what went in and out, empty where the call spends none.
func (c *call) tokens() (in, out string) {
	switch u := c.usage; {
	case u == nil:
		return "", ""
	case !u.Reported:
		return "? in", "? out"
	default:
		return shortNumber(u.Input) + " in", shortNumber(u.Output) + " out"
	}
}

// remarks returns what the outcome has to say beyond the line of the call.
func (r *row) remarks() []string {
	var s []string
	switch r.result {
	case record.ResultDenied:
		if r.deniedBelow && !r.decided {
			break
		}
		how := ""
		if r.decided && r.reached {
			how = " after it ran"
			if r.kind == "plan" {
				how = " before any of its tools ran"
			}
		}
		if r.told {
			how += ", model told"
		}
		s = append(s, "denied"+byWhom(r.denial, how))
	case record.ResultFailed, record.ResultCancelled:
		how := string(r.result)
		if !r.reached {
			how += " before it ran"
		}
		if len(r.error) > 0 {
			how += ": " + escape(strings.Join(r.error, ", "))
		}
		s = append(s, how)
	case record.ResultDone:
		if !r.reached {
			s = append(s, "did not run: an interceptor answered for it")
		}
	}
	if r.result != record.ResultDone && r.released > 0 {
		s = append(s, count(uint64(r.released), "byte")+" of its stream had left before")
	}
	if r.effects == record.EffectsBestEffort {
		s = append(s, "on best effort: it did not wait for its intent to be durable")
	}
	if r.orphan {
		s = append(s, "its intent is missing")
	}
	return s
}

// printParagraph prints s in lines that are not too long.
func (t *timelines) printParagraph(indent, s string) {
	printWrapped(t.out, indent, s, lineWidth-len(indent)-2)
}
