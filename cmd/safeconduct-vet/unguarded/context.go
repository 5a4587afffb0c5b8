package unguarded

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// handled reports whether the calls of a kind that a func makes are made behind a
// guard.
func (c *checker) handled(f *ssa.Function, k kind) bool { return c.behind[f]&k == k }

// contexts finds the funcs whose calls stand behind a guard: what middleware.Wrap was
// given, and the methods of models, tools, retrievers, chains and agents, which are
// as guarded as the value itself for calls of its kind. So are literals in them, and
// funcs that nothing else calls.
func (c *checker) contexts() map[*ssa.Function]kind {
	in := make(map[*ssa.Function]kind)
	for _, f := range c.funcs {
		if recv := f.Signature.Recv(); recv != nil {
			in[f] |= with(recv.Type(), f.Name())
		}
		for call := range instrs[ssa.CallInstruction](f) {
			if !isWrap(objectOf(call.Common())) || len(call.Common().Args) == 0 {
				continue
			}
			handlers, _ := c.callees(call.Common().Args[0])
			for _, h := range handlers {
				in[h] |= anything
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, f := range c.funcs {
			k := in[f] | in[f.Parent()] | c.ofCallers(f, in)
			if k != in[f] {
				in[f], changed = k, true
			}
		}
	}
	return in
}

func isWrap(f *types.Func) bool { return f != nil && f.FullName() == middleware+".Wrap" }

// ofCallers returns the kinds that all callers of a func that only this package can
// call have in common.
func (c *checker) ofCallers(f *ssa.Function, in map[*ssa.Function]kind) kind {
	o := f.Object()
	if o == nil || o.Exported() && c.pass.Pkg.Name() != "main" || c.escapes[f] || len(c.callers[f]) == 0 {
		return 0
	}
	if f.Signature.Recv() != nil && len(c.invokes[f.Name()]) > 0 {
		return 0
	}
	k, called := anything, false
	for _, call := range c.callers[f] {
		if call.Parent() != f {
			k, called = k&in[call.Parent()], true
		}
	}
	if !called {
		return 0
	}
	return k
}
