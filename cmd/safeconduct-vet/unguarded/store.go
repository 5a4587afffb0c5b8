package unguarded

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// A store is one assignment, or what a closure takes of a variable.
type store struct {
	at   ssa.Instruction
	val  ssa.Value
	base ssa.Value // whose field it is, or nil
}

// cellStores returns all that is assigned to a variable, also by closures. Those
// with a base are of its fields or elements.
func cellStores(v ssa.Value) []store {
	var stores []store
	seen := make(map[ssa.Value]bool)
	var find func(addr, base ssa.Value)
	find = func(addr, base ssa.Value) {
		if seen[addr] || addr.Referrers() == nil {
			return
		}
		seen[addr] = true
		for _, ref := range *addr.Referrers() {
			switch r := ref.(type) {
			case *ssa.Store:
				if r.Addr == addr {
					stores = append(stores, store{r, r.Val, base})
				}
			case *ssa.MapUpdate:
				if r.Map == addr {
					stores = append(stores, store{r, r.Value, addr})
				}
			case *ssa.Send:
				if r.Chan == addr {
					stores = append(stores, store{r, r.X, addr})
				}
			case *ssa.FieldAddr:
				find(r, r)
			case *ssa.IndexAddr:
				if r.X == addr {
					find(r, r)
				}
			case *ssa.Slice, *ssa.Phi, *ssa.ChangeType: // another name of the same elements
				if other := r.(ssa.Value); isList(other.Type()) {
					find(other, other)
				}
			case *ssa.UnOp:
				if r.Op == token.MUL && isList(r.Type()) {
					find(r, r)
				}
			case *ssa.Call:
				b, ok := r.Call.Value.(*ssa.Builtin)
				if ok && b.Name() == "copy" && r.Call.Args[0] == addr {
					stores = append(stores, store{r, r.Call.Args[1], addr})
				}
			case *ssa.MakeClosure:
				for i, b := range r.Bindings {
					if f, ok := r.Fn.(*ssa.Function); ok && b == addr {
						find(f.FreeVars[i], base)
					}
				}
			}
		}
	}
	find(v, nil)
	return stores
}

// bindings returns what a variable of a closure is where the closure is made.
func bindings(v *ssa.FreeVar) []store {
	f := v.Parent()
	i := slices.Index(f.FreeVars, v)
	if f.Parent() == nil || i < 0 {
		return nil
	}
	var bound []store
	for c := range instrs[*ssa.MakeClosure](f.Parent()) {
		if c.Fn == f {
			bound = append(bound, store{at: c, val: c.Bindings[i]})
		}
	}
	return bound
}

func isList(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Slice, *types.Map, *types.Chan:
		return true
	}
	return false
}

// reaching returns the assignments that an instruction can see: not those after which
// another one to the same place always comes before it, nor those that come later.
func reaching(stores []store, at ssa.Instruction, same func(a, b store) bool) []store {
	_, isRead := at.(*ssa.UnOp) // what else uses an address may look at it later
	return slices.DeleteFunc(slices.Clone(stores), func(s store) bool {
		return isRead && !precedes(s.at, at) || slices.ContainsFunc(stores, func(later store) bool {
			return later != s && same(s, later) && dominates(s.at, later.at) && dominates(later.at, at)
		})
	})
}

// sameBase reports whether the assignments are of the same variable or field.
func sameBase(a, b store) bool {
	x, ok := a.base.(*ssa.FieldAddr)
	y, also := b.base.(*ssa.FieldAddr)
	if ok && also {
		return x.X == y.X && x.Field == y.Field
	}
	return a.base == nil && b.base == nil
}

// precedes reports whether a may come before b: of funcs that are not the same, that
// is not known.
func precedes(a, b ssa.Instruction) bool {
	if a.Block() == nil || a.Parent() != b.Parent() {
		return true
	}
	if a.Block() == b.Block() && slices.Index(a.Block().Instrs, a) < slices.Index(b.Block().Instrs, b) {
		return true
	}
	seen := make(map[*ssa.BasicBlock]bool)
	var leads func(from *ssa.BasicBlock) bool
	leads = func(from *ssa.BasicBlock) bool {
		for _, next := range from.Succs {
			if next == b.Block() {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if leads(next) {
					return true
				}
			}
		}
		return false
	}
	return leads(a.Block())
}

// dominates reports whether a always comes before b, in the same func.
func dominates(a, b ssa.Instruction) bool {
	if a == b || a.Block() == nil || b.Block() == nil || a.Parent() != b.Parent() {
		return false
	}
	if a.Block() == b.Block() {
		return slices.Index(a.Block().Instrs, a) < slices.Index(b.Block().Instrs, b)
	}
	return a.Block().Dominates(b.Block())
}
