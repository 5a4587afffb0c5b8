package unguarded

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// A checker looks at one package.
type checker struct {
	*index
	pass       *analysis.Pass
	kinds      kinds
	directives *directives

	summaries map[query][]origin
	asked     map[query]bool // and not yet answered
	cyclic    bool           // an answer left out what is asked already

	behind  map[*ssa.Function]kind  // the kinds of calls that a func makes behind a guard
	demands []demand                // of parameters
	owed    map[*types.Var][]demand // of exported fields
	blamed  map[blame]bool
}

// A blame is that a value was reported where it is called or handed on.
type blame struct {
	pos token.Pos
	val ssa.Value
}

// A demand is that whoever hands on a value has it guarded.
type demand struct {
	param *ssa.Parameter
	kind  kind
	what  string // is called of it
	pos   token.Pos
	paren token.Pos
}

func check(pass *analysis.Pass, o options, d *directives, uses bool) {
	c := &checker{
		pass: pass, kinds: make(kinds), directives: d,
		summaries: make(map[query][]origin), asked: make(map[query]bool),
		owed: make(map[*types.Var][]demand), blamed: make(map[blame]bool),
	}
	skip := o.skips(pass.Fset)
	c.index = newIndex(c, skip)
	c.behind = c.contexts()
	for _, f := range c.funcs {
		for instr := range instrs[ssa.Instruction](f) {
			if !skip(instr.Pos()) {
				c.look(instr)
			}
		}
	}
	for i := 0; i < len(c.demands); i++ { // each may lead to others
		c.demand(c.demands[i])
	}
	if exportsFacts(pass) {
		c.export()
	}
}

// look reports what an instruction does around a guard.
func (c *checker) look(instr ssa.Instruction) {
	switch i := instr.(type) {
	case ssa.CallInstruction:
		c.call(i)
	case *ssa.MakeClosure:
		f, ok := i.Fn.(*ssa.Function)
		if !ok || len(i.Bindings) == 0 {
			return
		}
		if m, ok := f.Object().(*types.Func); ok && f.Synthetic != "" {
			if k := c.reaches(m, i.Bindings[0].Type()); k != 0 && !c.handled(i.Parent(), k) {
				c.value(site{instr: i, pos: i.Pos(), paren: i.Pos(), what: m.Name()}, i.Bindings[0], k)
			}
		}
	case *ssa.Store:
		if a, ok := i.Addr.(*ssa.FieldAddr); ok {
			if h := c.holdsOf(fieldOf(a)); h != nil {
				s := site{instr: i, pos: i.Pos(), paren: i.Pos(), what: "assigning " + fieldOf(a).Name()}
				for _, called := range h.Calls {
					c.value(s.of(called.What), i.Val, kind(called.Kind))
				}
			}
		}
	}
}

// reaches returns the kind of call that a method of a type makes, or 0.
func (c *checker) reaches(m *types.Func, recv types.Type) kind {
	if k := sends(m); k != 0 {
		return k
	}
	if m.Signature().Recv() == nil {
		return 0
	}
	return with(recv, m.Name())
}

// call looks at a call: of a method that reaches a model, say, or of a func that makes
// such a call of its argument.
func (c *checker) call(i ssa.CallInstruction) {
	common := i.Common()
	s := c.site(i)
	if f := objectOf(common); f != nil {
		args := argsOf(common)
		if _, isValue := common.Value.(*ssa.MakeClosure); len(args) > 0 && !isValue { // a method value is looked at where it is made
			if k := c.reaches(f, args[0].Type()); k != 0 {
				c.value(s, args[0], k)
				return
			}
		}
		if callsItsArgument(f) {
			for _, arg := range args {
				if k := c.kinds.of(arg.Type()) & (aModel | aChain); k != 0 {
					c.value(s, arg, k)
				}
			}
			return
		}
		if p := c.passesOf(f); p != nil {
			for _, called := range p.Calls {
				if called.Param < len(args) {
					c.value(s.of(called.What), args[called.Param], kind(called.Kind))
				}
			}
		}
	}
	for _, arg := range common.Args { // a func that would be called elsewhere
		if f, ok := arg.(*ssa.Function); ok {
			if o, ok := f.Object().(*types.Func); ok && callsItsArgument(o) {
				c.directives.report(s.pos, s.paren,
					c.funcName(o)+" is handed on as a func, and what it will call cannot be seen; hand on a func literal")
			}
		}
	}
}

// demanded adds a demand to others, unless one of them is of the same value and kind.
func demanded(ds []demand, d demand) []demand {
	if slices.ContainsFunc(ds, func(o demand) bool { return o.param == d.param && o.kind == d.kind }) {
		return ds
	}
	return append(ds, d)
}

// A site is a place in the code where a call is made.
type site struct {
	instr      ssa.Instruction
	pos, paren token.Pos
	what       string // is called, as it is written
	by         string // and what is called there, where that is another func
}

// of returns the site of a call of a func that makes the call itself.
func (s site) of(what string) site {
	s.by = s.what
	s.what = what
	return s
}

// String says what is called, for messages.
func (s site) String() string {
	if s.by == "" {
		return s.what
	}
	return s.by + ", which calls " + s.what + ","
}

func (c *checker) site(i ssa.CallInstruction) site {
	s := site{instr: i, pos: i.Common().Pos(), paren: i.Common().Pos(), what: "the call"}
	if e := c.calls[s.paren]; e != nil {
		s.pos, s.what = e.Pos(), name(e.Fun)
	}
	return s
}

// name returns what is called as it is written, on one line and not too long.
func name(e ast.Expr) string {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		switch x := ast.Unparen(e.X).(type) {
		case *ast.Ident, *ast.SelectorExpr:
			return name(x) + "." + e.Sel.Name
		}
		return e.Sel.Name
	case *ast.IndexExpr:
		return name(e.X)
	case *ast.IndexListExpr:
		return name(e.X)
	}
	return "the func"
}

// value reports a call of a value that is not guarded, once.
func (c *checker) value(s site, v ssa.Value, k kind) {
	if c.handled(s.instr.Parent(), k) {
		return
	}
	origins := c.origins(v, k, s.instr)
	for _, o := range origins {
		var why string
		switch o.what {
		case fromElsewhere:
			why = fmt.Sprintf("its %s comes from %s%s", k, o.words, c.where(o.pos, s.pos))
		case fromUnknown:
			why = fmt.Sprintf("its %s comes from %s%s, which nothing shows to be guarded", k, o.words, c.where(o.pos, s.pos))
		default:
			continue
		}
		if b := (blame{s.pos, v}); !c.blamed[b] {
			c.blamed[b] = true
			c.directives.report(s.pos, s.paren, s.String()+" goes around the guards: "+why+"; "+c.remedy(s, k))
		}
		return
	}
	for _, o := range origins {
		switch o.what {
		case fromParam:
			c.demands = demanded(c.demands, demand{o.param, k, s.what, s.pos, s.paren})
		case fromField:
			c.owed[o.field] = demanded(c.owed[o.field], demand{kind: k, what: s.what})
		}
	}
}

func (c *checker) remedy(s site, k kind) string {
	if i, ok := s.instr.(ssa.CallInstruction); ok {
		if f := objectOf(i.Common()); f != nil {
			switch {
			case sends(f) != 0:
				return "make it in a func that middleware.Wrap guards"
			case f.Name() == "SimilaritySearch":
				return "ask a retriever of the store that langchaingo.Retriever guards"
			}
		}
	}
	return k.remedy()
}

// demand looks at the callers of a func that calls its parameter.
func (c *checker) demand(d demand) {
	f := d.param.Parent()
	n := paramIndex(d.param)
	seen := false
	visit := func(i ssa.CallInstruction, args []ssa.Value, n int) {
		seen = true
		if n >= 0 && n < len(args) {
			s := c.site(i)
			c.value(s.of(d.what), args[n], d.kind)
		}
	}
	for _, i := range c.callers[f] {
		visit(i, argsOf(i.Common()), n)
	}
	if f.Signature.Recv() != nil {
		for _, i := range c.invokes[f.Name()] {
			for _, g := range c.implementations(i.Common()) {
				if g == f {
					visit(i, argsOf(i.Common()), n)
				}
			}
		}
	}
	if !c.escapes[f] {
		return // the rest of its callers are in other packages
	}
	sig := types.NewSignatureType(nil, nil, nil, f.Signature.Params(), f.Signature.Results(), f.Signature.Variadic())
	if f.Signature.Recv() != nil {
		n--
	}
	for _, i := range c.dynamic {
		if types.Identical(i.Common().Signature(), sig) {
			visit(i, i.Common().Args, n)
		}
	}
	if !seen {
		c.directives.report(d.pos, d.paren, fmt.Sprintf("%s goes around the guards: its %s is a parameter of a func that is handed on, "+
			"and nothing shows that what it is given is guarded", d.what, d.kind))
	}
}

// export tells other packages what they must know of this one.
func (c *checker) export() {
	calls := make(map[types.Object][]demand)
	for _, d := range c.demands {
		if o := d.param.Parent().Object(); o != nil {
			calls[o] = append(calls[o], d)
		}
	}
	for _, f := range c.funcs {
		o, ok := f.Object().(*types.Func)
		if !ok || !o.Exported() || f.Parent() != nil {
			continue
		}
		p := passes{Calls: newCalled(calls[o])}
		for i := range f.Signature.Results().Len() {
			k := c.kinds.of(f.Signature.Results().At(i).Type())
			if k == 0 {
				continue
			}
			if params, ok := asGuardedAs(c.summary(f, i, k), f); ok {
				p.Results = append(p.Results, returned{i, params})
			}
		}
		if len(p.Calls)+len(p.Results) > 0 {
			c.pass.ExportObjectFact(o, &p)
		}
	}
	for f, ds := range c.owed {
		c.pass.ExportObjectFact(f, &holds{Calls: newCalled(ds)})
	}
	for g := range c.globals {
		v, ok := g.Object().(*types.Var)
		if !ok || v.Pkg() != c.pass.Pkg || !v.Exported() {
			continue
		}
		if k := c.kinds.of(v.Type()); k != 0 {
			t := c.tracer(k)
			t.stored(c.globals[g])
			if params, ok := asGuardedAs(t.found, nil); ok && len(params) == 0 {
				c.pass.ExportObjectFact(v, &holds{Guarded: true})
			}
		}
	}
}

// asGuardedAs returns the parameters of a func that origins are, and whether they are
// nothing else but guarded.
func asGuardedAs(origins []origin, f *ssa.Function) ([]int, bool) {
	params := []int{}
	for _, o := range origins {
		switch {
		case o.what == fromGuard:
		case o.what == fromParam && o.param.Parent() == f:
			params = append(params, paramIndex(o.param))
		default:
			return nil, false
		}
	}
	return params, len(origins) > 0
}
