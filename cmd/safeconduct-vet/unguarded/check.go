package unguarded

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

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

	behind  map[*ssa.Function]kind // the kinds of calls that a func makes behind a guard
	demands []demand               // of parameters and fields
	params  map[*ssa.Parameter]bool
	owed    map[*types.Var]demand // of exported fields
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
		params: make(map[*ssa.Parameter]bool), owed: make(map[*types.Var]demand),
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
			if h := c.holdsOf(fieldOf(a)); h != nil && h.Called != "" {
				f := fieldOf(a)
				c.value(site{instr: i, pos: i.Pos(), paren: i.Pos(), what: h.Called, by: "assigning " + f.Name()},
					i.Val, kind(h.Kind))
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
					break
				}
			}
			return
		}
		if p := c.passesOf(f); p != nil {
			for n := range args {
				if what := p.Calls[n]; what != "" {
					c.value(s.of(what), args[n], kind(p.Kinds[n]))
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

// value reports a call of a value that is not guarded.
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
		c.directives.report(s.pos, s.paren, s.String()+" goes around the guards: "+why+"; "+c.remedy(s, k))
		return
	}
	for _, o := range origins {
		switch o.what {
		case fromParam:
			if !c.params[o.param] {
				c.params[o.param] = true
				c.demands = append(c.demands, demand{o.param, k, s.what, s.pos, s.paren})
			}
		case fromField:
			if _, ok := c.owed[o.field]; !ok {
				c.owed[o.field] = demand{kind: k, what: s.what}
			}
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
	funcs := make(map[*types.Func]*passes)
	of := func(o types.Object) *passes {
		f, ok := o.(*types.Func)
		if !ok || !f.Exported() {
			return new(passes)
		}
		if funcs[f] == nil {
			funcs[f] = &passes{Calls: make(map[int]string), Kinds: make(map[int]int), Results: make(map[int][]int)}
		}
		return funcs[f]
	}
	for _, d := range c.demands {
		if p := of(d.param.Parent().Object()); p.Calls != nil {
			n := paramIndex(d.param)
			p.Calls[n], p.Kinds[n] = d.what, int(d.kind)
		}
	}
	for _, f := range c.funcs {
		p := of(f.Object())
		if p.Results == nil || f.Parent() != nil {
			continue
		}
		for i := range f.Signature.Results().Len() {
			k := c.kinds.of(f.Signature.Results().At(i).Type())
			if k == 0 {
				continue
			}
			if params, ok := asGuardedAs(c.summary(f, i, k), f); ok {
				p.Results[i] = params
			}
		}
	}
	for f, p := range funcs {
		if len(p.Calls)+len(p.Results) > 0 {
			c.pass.ExportObjectFact(f, p)
		}
	}
	for f, d := range c.owed {
		c.pass.ExportObjectFact(f, &holds{Called: d.what, Kind: int(d.kind)})
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
