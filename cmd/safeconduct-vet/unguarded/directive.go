package unguarded

import (
	"fmt"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// prefix begins the comments that say that a call is unguarded on purpose.
const (
	prefix = "//safeconduct:"
	word   = "unguarded"
)

// A directive is one such comment.
type directive struct {
	pos    token.Pos
	file   string
	line   int
	alone  bool // on its line, so that it stands for the next one
	reason string
	used   bool
}

// directives reports findings, but for those that a directive silences.
type directives struct {
	pass *analysis.Pass
	o    options
	uses bool
	all  []*directive

	reported map[finding]bool
}

// A finding is a report, which is made once.
type finding struct {
	pos     token.Pos
	message string
}

func newDirectives(pass *analysis.Pass, o options, uses bool) *directives {
	d := &directives{pass: pass, o: o, uses: uses, reported: make(map[finding]bool)}
	skip := o.skips(pass.Fset)
	for _, f := range pass.Files {
		if skip(f.Pos()) {
			continue
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				d.read(c.Pos(), c.Text)
			}
		}
	}
	return d
}

func (d *directives) read(pos token.Pos, text string) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		loose := strings.Join(strings.Fields(strings.ToLower(text)), "")
		if strings.HasPrefix(loose, prefix+word) || strings.HasPrefix(loose, "/*"+prefix[2:]+word) {
			d.pass.Reportf(pos, "this is a comment and silences nothing: write %s%s REASON, without spaces before it", prefix, word)
		}
		return
	}
	name, reason, _ := strings.Cut(rest, " ")
	reason = strings.TrimSpace(reason)
	switch at := d.pass.Fset.Position(pos); {
	case name != word:
		d.pass.Reportf(pos, "there is no %s%s; did you mean %s%s REASON?", prefix, name, prefix, word)
	case reason == "":
		d.pass.Reportf(pos, "say why: %s%s REASON", prefix, word)
	default:
		d.all = append(d.all, &directive{pos: pos, file: at.Filename, line: at.Line, alone: d.alone(pos), reason: reason})
	}
}

// alone reports whether nothing but space stands before a comment on its line.
func (d *directives) alone(pos token.Pos) bool {
	p := d.pass.Fset.Position(pos)
	src, err := d.pass.ReadFile(d.pass.Fset.File(pos).Name())
	if err != nil || p.Offset > len(src) {
		return p.Column == 1
	}
	before := src[:p.Offset]
	return strings.TrimSpace(string(before[strings.LastIndexByte(string(before), '\n')+1:])) == ""
}

// report reports a finding of a call that begins at pos and whose arguments begin at
// paren, unless it is silenced.
func (d *directives) report(pos, paren token.Pos, message string) {
	if !d.uses || d.o.skips(d.pass.Fset)(pos) {
		return
	}
	first, last := d.pass.Fset.Position(pos), d.pass.Fset.Position(paren)
	silenced := false
	for _, s := range d.all {
		if s.file != first.Filename {
			continue
		}
		if s.alone && s.line == first.Line-1 || !s.alone && s.line >= first.Line && s.line <= max(first.Line, last.Line) {
			s.used, silenced = true, true
		}
	}
	if f := (finding{pos, message}); !silenced && !d.reported[f] {
		d.reported[f] = true
		d.pass.Report(analysis.Diagnostic{Pos: pos, Category: "unguarded", Message: message})
	}
}

// finish reports the directives that silence nothing and, if that is wanted, those
// that do.
func (d *directives) finish() {
	slices.SortFunc(d.all, func(a, b *directive) int { return int(a.pos - b.pos) })
	for _, s := range d.all {
		switch {
		case !d.uses:
			d.pass.Reportf(s.pos, "this silences nothing: neither the package nor its module uses safeconduct")
		case !s.used:
			d.pass.Reportf(s.pos, "this silences nothing: no call on this line or the next is unguarded")
		case d.o.list:
			d.pass.Report(analysis.Diagnostic{Pos: s.pos, Category: "listed", Message: "unguarded on purpose: " + s.reason})
		}
	}
}

// where names a place for a message that is about another place.
func (c *checker) where(pos, from token.Pos) string {
	if !pos.IsValid() {
		return ""
	}
	p, f := c.pass.Fset.Position(pos), c.pass.Fset.Position(from)
	switch {
	case p == f || p.Filename == f.Filename && p.Line == f.Line:
		return ""
	case p.Filename == f.Filename:
		return fmt.Sprintf(" (line %d)", p.Line)
	}
	return fmt.Sprintf(" (%s:%d)", filepath.Base(p.Filename), p.Line)
}
