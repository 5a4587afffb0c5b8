package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
)

// A mutant is one small change to one file.
type mutant struct {
	pkg, file string
	line      int
	reached   int    // the line that a test runs that reaches it
	fn        string // the func that it is in
	what      string // "< becomes <="
	from, to  int    // the bytes that are replaced
	text      string // what replaces them

	draw [32]byte // its place in the drawing
}

// String names the mutant for the list of survivors. It says nothing of the
// line, which changes with every edit above it.
func (m *mutant) String() string {
	return fmt.Sprintf("%s/%s %s: %s", m.pkg, filepath.Base(m.file), m.fn, m.what)
}

// apply returns the file's text with the change.
func (m *mutant) apply(src []byte) []byte {
	return append(append(bytes.Clone(src[:m.from]), m.text...), src[m.to:]...)
}

// operators that become another one. What does not compile is drawn again.
var operators = map[token.Token]token.Token{ //nolint:gochecknoglobals // a table
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND,
}

// A finder collects the mutants of one file.
type finder struct {
	pkg, file string
	seed      string
	src       []byte
	fset      *token.FileSet
	fn        string
	cases     []caseOf
	seen      map[string]int // of each change within its func, to tell equal ones apart
	found     []*mutant
}

// A caseOf is what a case of a switch compares. A profile says of a case whether
// its statements run, and it is reached wherever the switch is.
type caseOf struct {
	from, to token.Pos
	line     int // of the switch
}

// mutants returns all mutants of a file.
func mutants(pkg, file, seed string, src []byte) ([]*mutant, error) {
	f := &finder{pkg: pkg, file: file, seed: seed, src: src, fset: token.NewFileSet(), seen: make(map[string]int)}
	tree, err := parser.ParseFile(f.fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		f.fn = fn.Name.Name
		if fn.Recv != nil && len(fn.Recv.List) == 1 {
			f.fn = receiver(fn.Recv.List[0].Type) + "." + f.fn
		}
		ast.Inspect(fn.Body, f.node)
	}
	return f.found, nil
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return "?"
}

func (f *finder) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SwitchStmt:
		for _, s := range n.Body.List {
			if c, ok := s.(*ast.CaseClause); ok {
				f.cases = append(f.cases, caseOf{c.Case, c.Colon, f.fset.Position(n.Pos()).Line})
			}
		}
	case *ast.CallExpr:
		// The words of a panic are nobody's behavior, nor what it is made of.
		if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
			return false
		}
	case *ast.BinaryExpr:
		if to, ok := operators[n.Op]; ok && !text(n.X) && !text(n.Y) {
			f.add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to.String(), n.Op.String()+" becomes "+to.String())
		}
	case *ast.IfStmt:
		f.add(n.Cond.Pos(), n.Cond.End(), "!("+f.text(n.Cond)+")", "if "+f.text(n.Cond)+" is negated")
	case *ast.IncDecStmt:
		to := token.DEC
		if n.Tok == token.DEC {
			to = token.INC
		}
		f.add(n.TokPos, n.TokPos+2, to.String(), f.text(n)+" becomes "+to.String())
	case *ast.BranchStmt:
		if n.Label == nil && n.Tok == token.BREAK {
			f.add(n.Pos(), n.End(), "continue", "break becomes continue")
		} else if n.Label == nil && n.Tok == token.CONTINUE {
			f.add(n.Pos(), n.End(), "break", "continue becomes break")
		}
	case *ast.ExprStmt:
		f.remove(n)
	case *ast.DeferStmt:
		f.remove(n)
		return true
	case *ast.AssignStmt:
		f.assignment(n)
	case *ast.ReturnStmt:
		for _, r := range n.Results {
			f.result(r)
		}
	}
	return true
}

func (f *finder) assignment(n *ast.AssignStmt) {
	if n.Tok == token.DEFINE {
		return
	}
	if len(n.Lhs) == 1 {
		if id, ok := n.Lhs[0].(*ast.Ident); ok && id.Name == "_" {
			return
		}
	}
	if n.Tok == token.ADD_ASSIGN && !text(n.Rhs[0]) {
		f.add(n.TokPos, n.TokPos+2, "-=", f.text(n)+" becomes -=")
	}
	f.remove(n)
}

// result changes what is returned where that is a constant or an error.
func (f *finder) result(r ast.Expr) {
	switch r := r.(type) {
	case *ast.Ident:
		switch r.Name {
		case "true":
			f.add(r.Pos(), r.End(), "false", "return true becomes false")
		case "false":
			f.add(r.Pos(), r.End(), "true", "return false becomes true")
		case "err":
			f.add(r.Pos(), r.End(), "nil", "return err becomes nil")
		}
	case *ast.BasicLit:
		if n, err := strconv.Atoi(r.Value); err == nil && r.Kind == token.INT {
			f.add(r.Pos(), r.End(), strconv.Itoa(n+1), "return "+r.Value+" becomes "+strconv.Itoa(n+1))
		}
	}
}

func (f *finder) remove(n ast.Node) {
	if e, ok := n.(*ast.ExprStmt); ok {
		call, ok := e.X.(*ast.CallExpr)
		if !ok {
			return
		}
		if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
			return
		}
	}
	f.add(n.Pos(), n.End(), "", f.text(n)+" is removed")
}

func (f *finder) add(from, to token.Pos, text, what string) {
	p := f.fset.Position(from)
	what = strings.Join(strings.Fields(what), " ")
	if r := []rune(what); len(r) > 90 {
		what = string(r[:60]) + " ... " + string(r[len(r)-25:])
	}
	m := &mutant{
		pkg: f.pkg, file: f.file, line: p.Line, reached: p.Line, fn: f.fn, what: what,
		from: p.Offset, to: p.Offset + int(to-from), text: text,
	}
	for _, c := range f.cases {
		if c.from <= from && from < c.to {
			m.reached = c.line
		}
	}
	if n := f.seen[m.fn+what]; n > 0 {
		m.what += fmt.Sprintf(" (%d)", n+1)
	}
	f.seen[m.fn+what]++
	m.draw = sha256.Sum256([]byte(f.seed + "\x00" + m.String()))
	f.found = append(f.found, m)
}

func (f *finder) text(n ast.Node) string {
	return string(f.src[f.fset.Position(n.Pos()).Offset:f.fset.Position(n.End()).Offset])
}

// text reports whether e is a text, as far as its form shows: texts are joined
// with + and have no -.
func text(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.BinaryExpr:
		return text(e.X) || text(e.Y)
	case *ast.CallExpr:
		id, ok := e.Fun.(*ast.Ident)
		return ok && id.Name == "string"
	}
	return false
}
