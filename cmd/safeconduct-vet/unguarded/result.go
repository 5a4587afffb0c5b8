package unguarded

import (
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// result follows a result of a call.
func (t *tracer) result(call *ssa.Call, i int) {
	common := call.Common()
	if b, ok := common.Value.(*ssa.Builtin); ok {
		if b.Name() == "append" {
			for _, arg := range common.Args {
				t.value(arg, call)
			}
			return
		}
		t.unknown(call.Pos(), b.Name())
		return
	}
	if common.IsInvoke() {
		if fs := t.implementations(common); len(fs) > 0 && common.Method.Pkg() == t.pass.Pkg {
			for _, f := range fs {
				t.substitute(f, i, call, append([]ssa.Value{common.Value}, common.Args...))
			}
			return
		}
		t.foreign(call)
		return
	}
	if f := staticCallee(common); f != nil {
		if len(f.Blocks) > 0 {
			t.substitute(f, i, call, argsOf(common))
			return
		}
		o := objectOf(common)
		if o != nil && isGuard(o) {
			t.guarded()
			return
		}
		if p := t.passesOf(o); p != nil {
			if n := slices.IndexFunc(p.Results, func(r returned) bool { return r.Result == i }); n >= 0 {
				for _, param := range p.Results[n].Params {
					t.value(common.Args[param], call)
				}
				if len(p.Results[n].Params) == 0 {
					t.guarded()
				}
				return
			}
		}
		t.foreign(call)
		return
	}
	fs, all := t.callees(common.Value)
	for _, f := range fs {
		if len(f.Blocks) == 0 || f.Signature.Recv() != nil {
			all = false
			continue
		}
		t.substitute(f, i, call, common.Args)
	}
	if !all {
		t.unknown(call.Pos(), "a func value")
	}
}

// argsOf returns the arguments of a call of a func as the func's parameters, the
// receiver first.
func argsOf(c *ssa.CallCommon) []ssa.Value {
	if c.IsInvoke() {
		return append([]ssa.Value{c.Value}, c.Args...)
	}
	if closure, ok := c.Value.(*ssa.MakeClosure); ok {
		if f := closure.Fn.(*ssa.Function); strings.HasPrefix(f.Synthetic, "bound method") {
			return append([]ssa.Value{closure.Bindings[0]}, c.Args...)
		}
	}
	return c.Args
}

// substitute follows a result of a func of this package, where it is a parameter into
// the call's arguments.
func (t *tracer) substitute(f *ssa.Function, i int, call ssa.Instruction, args []ssa.Value) {
	for _, o := range t.summary(f, i, t.want) {
		if o.what == fromParam && o.param.Parent() == f {
			if n := paramIndex(o.param); n < len(args) {
				t.value(args[n], call)
				continue
			}
		}
		t.add(o)
	}
}

func paramIndex(p *ssa.Parameter) int {
	for i, q := range p.Parent().Params {
		if p == q {
			return i
		}
	}
	return -1
}

// A query is about a result of a func that is wanted as a kind.
type query struct {
	f    *ssa.Function
	i    int
	want kind
}

// summary returns where a result of a func comes from. Of one that calls itself it
// is that of all other returns.
func (c *checker) summary(f *ssa.Function, i int, want kind) []origin {
	q := query{f, i, want}
	if got, ok := c.summaries[q]; ok {
		return got
	}
	if c.asked[q] {
		c.cyclic = true
		return nil
	}
	if len(c.asked) == 0 {
		c.cyclic = false
	}
	c.asked[q] = true
	defer delete(c.asked, q)
	t := c.tracer(want)
	t.stored(returns(f, i))
	if !c.cyclic || len(c.asked) == 1 { // all of what it asked was answered in full
		c.summaries[q] = t.found
	}
	return t.found
}

// returns returns what a func returns as a result.
func returns(f *ssa.Function, i int) []store {
	var all []store
	for r := range instrs[*ssa.Return](f) {
		if i < len(r.Results) {
			all = append(all, store{at: r, val: r.Results[i]})
		}
	}
	return all
}

// foreign follows the result of a func whose body is not at hand: it is as guarded as
// what it is made of.
func (t *tracer) foreign(call *ssa.Call) {
	common := call.Common()
	f := objectOf(common)
	if f == nil {
		t.unknown(call.Pos(), "a func value")
		return
	}
	name := t.funcName(f)
	switch {
	case isGuard(f) || isNeutral(f):
		t.guarded()
		return
	case f.Name() == "Unwrap":
		t.elsewhere(call.Pos(), name)
		return
	}
	made := false
	for _, arg := range argsOf(common) {
		if t.kinds.of(arg.Type())&t.want.parts() != 0 {
			made = true
			t.value(arg, call)
		}
	}
	switch {
	case made:
	case f.Pkg() != nil && isClient(f.Pkg().Path()):
		t.client(call, name)
	default:
		t.elsewhere(call.Pos(), name)
	}
}

// client follows a client of a provider: one that was made with an option of an
// adapter is guarded.
func (t *tracer) client(call *ssa.Call, name string) {
	common := call.Common()
	if common.IsInvoke() || common.Signature().Recv() != nil {
		t.value(argsOf(common)[0], call) // what a client returns is as guarded as the client
		return
	}
	seen := make(map[ssa.Value]bool)
	var ours func(v ssa.Value) bool
	ours = func(v ssa.Value) bool {
		if seen[v] {
			return false
		}
		seen[v] = true
		switch v := v.(type) {
		case *ssa.Call:
			f := objectOf(v.Common())
			return f != nil && isOption(f) || slices.ContainsFunc(v.Common().Args, ours)
		case *ssa.Alloc:
			return slices.ContainsFunc(cellStores(v), func(s store) bool { return ours(s.val) })
		case *ssa.UnOp:
			return v.Op == token.MUL && ours(v.X)
		case *ssa.Slice, *ssa.ChangeType, *ssa.MakeInterface:
			return ours(operandOf(v))
		}
		return false
	}
	if slices.ContainsFunc(common.Args, ours) {
		t.guarded()
	} else {
		t.elsewhere(call.Pos(), name)
	}
}

// callees returns the funcs of this package that a func value can be, and whether it
// can be nothing else.
func (c *checker) callees(v ssa.Value) ([]*ssa.Function, bool) {
	var found []*ssa.Function
	seen := make(map[ssa.Value]bool)
	var find func(v ssa.Value) bool
	stores := func(ss []store) bool { return every(ss, func(s store) bool { return find(s.val) }) }
	find = func(v ssa.Value) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		switch v := v.(type) {
		case *ssa.Function:
			found = append(found, declared(v))
			return true
		case *ssa.MakeClosure:
			return find(v.Fn)
		case *ssa.ChangeType:
			return find(v.X)
		case *ssa.Phi:
			return every(v.Edges, find)
		case *ssa.FreeVar:
			return stores(bindings(v))
		case *ssa.UnOp:
			if a, ok := v.X.(*ssa.Alloc); ok {
				return stores(reaching(cellStores(a), v, sameBase))
			}
			return v.Op == token.MUL && find(v.X)
		case *ssa.Alloc:
			return stores(cellStores(v))
		case *ssa.Global:
			return stores(c.globals[v])
		case *ssa.FieldAddr:
			return stores(c.fields[fieldOf(v)])
		case *ssa.Call:
			f := staticCallee(v.Common())
			if f == nil || len(f.Blocks) == 0 {
				return false
			}
			return stores(returns(f, 0))
		}
		return false
	}
	all := find(v)
	return found, all
}

// funcName returns what a call of a func reads like.
func (c *checker) funcName(f *types.Func) string {
	if recv := f.Signature().Recv(); recv != nil {
		return c.typeName(recv.Type()) + "." + f.Name()
	}
	if f.Pkg() == nil || f.Pkg() == c.pass.Pkg {
		return f.Name()
	}
	return f.Pkg().Name() + "." + f.Name()
}
