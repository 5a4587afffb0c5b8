package unguarded

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// An origin is where a value comes from.
type origin struct {
	what  originKind
	param *ssa.Parameter // of fromParam
	field *types.Var     // of fromField
	pos   token.Pos      // of fromElsewhere and fromUnknown, and what is there in words
	words string
}

type originKind int

const (
	fromGuard originKind = iota + 1
	fromElsewhere
	fromUnknown
	fromParam // as guarded as what callers hand on
	fromField // as guarded as what other packages assign too
)

// A tracer follows values back to where they come from.
type tracer struct {
	*checker
	want  kind // of the value that is called; another of its parts does not matter
	seen  map[ssa.Value]bool
	reads map[fieldRead]bool
	found []origin
}

func (c *checker) tracer(want kind) *tracer {
	return &tracer{checker: c, want: want, seen: make(map[ssa.Value]bool), reads: make(map[fieldRead]bool)}
}

// origins returns where a value of a kind comes from, at an instruction that uses it.
// None means that it is nil.
func (c *checker) origins(v ssa.Value, want kind, at ssa.Instruction) []origin {
	t := c.tracer(want)
	t.value(v, at)
	return t.found
}

func (t *tracer) add(o origin) {
	if !slices.Contains(t.found, o) {
		t.found = append(t.found, o)
	}
}

func (t *tracer) guarded() { t.add(origin{what: fromGuard}) }

func (t *tracer) elsewhere(pos token.Pos, words string) {
	t.add(origin{what: fromElsewhere, pos: pos, words: words})
}

func (t *tracer) unknown(pos token.Pos, words string) {
	t.add(origin{what: fromUnknown, pos: pos, words: words})
}

// value follows a value that is used by an instruction.
func (t *tracer) value(v ssa.Value, at ssa.Instruction) {
	if t.seen[v] {
		return
	}
	t.seen[v] = true
	if isList(v.Type()) {
		for _, s := range cellStores(v) { // what is put into it later
			t.value(s.val, s.at)
		}
	}
	switch v := v.(type) {
	case *ssa.Const:
		if !v.IsNil() {
			t.elsewhere(at.Pos(), "a "+t.typeName(v.Type()))
		}
	case *ssa.Parameter:
		t.add(origin{what: fromParam, param: v})
	case *ssa.FreeVar:
		for binding, closure := range bindings(v) {
			t.value(binding, closure)
		}
	case *ssa.Phi:
		for _, edge := range v.Edges {
			t.value(edge, v)
		}
	case *ssa.MakeInterface:
		t.value(v.X, v)
	case *ssa.ChangeInterface:
		t.value(v.X, v)
	case *ssa.ChangeType:
		t.value(v.X, v)
	case *ssa.Convert:
		t.value(v.X, v)
	case *ssa.TypeAssert:
		t.value(v.X, v)
	case *ssa.Slice:
		t.value(v.X, v)
	case *ssa.SliceToArrayPointer:
		t.value(v.X, v)
	case *ssa.Index:
		t.value(v.X, v)
	case *ssa.Lookup:
		t.value(v.X, v)
	case *ssa.Extract:
		t.extract(v)
	case *ssa.Call:
		t.result(v, 0)
	case *ssa.UnOp:
		if v.Op == token.MUL {
			t.cell(v.X, v)
		} else {
			t.value(v.X, v)
		}
	case *ssa.Field:
		t.field(v.X, v.X.Type().Underlying().(*types.Struct).Field(v.Field).Origin(), v)
	case *ssa.Alloc, *ssa.FieldAddr, *ssa.IndexAddr, *ssa.Global:
		t.cell(v, at)
	case *ssa.MakeMap, *ssa.MakeSlice, *ssa.MakeChan:
		t.parts(v, at)
	case *ssa.Function, *ssa.MakeClosure:
		t.elsewhere(v.Pos(), "a func")
	default:
		t.unknown(v.Pos(), "a value that cannot be followed")
	}
}

func (t *tracer) extract(v *ssa.Extract) {
	switch tuple := v.Tuple.(type) {
	case *ssa.Call:
		t.result(tuple, v.Index)
	case *ssa.TypeAssert:
		t.value(tuple.X, tuple)
	case *ssa.Lookup:
		t.value(tuple.X, tuple)
	case *ssa.UnOp:
		t.value(tuple.X, tuple)
	case *ssa.Next:
		if r, ok := tuple.Iter.(*ssa.Range); ok {
			t.value(r.X, r)
		}
	default:
		t.unknown(v.Pos(), "a value that cannot be followed")
	}
}

// bindings yields what a variable of a closure is where the closure is made.
func bindings(v *ssa.FreeVar) func(func(ssa.Value, ssa.Instruction) bool) {
	return func(yield func(ssa.Value, ssa.Instruction) bool) {
		f := v.Parent()
		i := slices.Index(f.FreeVars, v)
		if f.Parent() == nil || i < 0 {
			return
		}
		for _, b := range f.Parent().Blocks {
			for _, instr := range b.Instrs {
				if c, ok := instr.(*ssa.MakeClosure); ok && c.Fn == f && !yield(c.Bindings[i], c) {
					return
				}
			}
		}
	}
}

// cell follows what is stored at an address.
func (t *tracer) cell(addr ssa.Value, at ssa.Instruction) {
	switch a := addr.(type) {
	case *ssa.Alloc:
		t.parts(a, at)
	case *ssa.FreeVar:
		for binding, closure := range bindings(a) {
			t.cell(binding, closure)
		}
	case *ssa.Global:
		stores := t.globals[a]
		for _, s := range stores {
			t.value(s.val, s.at)
		}
		v, _ := a.Object().(*types.Var)
		switch h := t.holdsOf(v); {
		case h != nil && h.Guarded:
			t.guarded()
		case len(stores) == 0:
			t.unknown(at.Pos(), a.RelString(t.pass.Pkg))
		}
	case *ssa.FieldAddr:
		t.field(a.X, fieldOf(a), at)
	case *ssa.IndexAddr:
		t.value(a.X, at)
	default:
		t.value(addr, at)
	}
}

// A fieldRead is one question about a field.
type fieldRead struct {
	base ssa.Value
	f    *types.Var
	at   ssa.Instruction
}

// field follows a field of a struct, or of what points to one.
func (t *tracer) field(base ssa.Value, f *types.Var, at ssa.Instruction) {
	read := fieldRead{base, f, at}
	if t.reads[read] {
		return
	}
	t.reads[read] = true
	if allocs, all := allocsOf(base); all && t.assigned(allocs, f, at) {
		return
	}
	if f.Pkg() != t.pass.Pkg {
		t.value(base, at) // it is as guarded as the whole
		return
	}
	stores := t.fields[f]
	for _, s := range stores {
		t.value(s.val, s.at)
	}
	switch {
	case f.Exported() && t.pass.Pkg.Name() != "main":
		t.add(origin{what: fromField, field: f})
	case len(stores) == 0:
		t.unknown(at.Pos(), "the field "+f.Name()+", to which nothing is assigned here")
	}
}

// assigned follows what is assigned to a field of variables, and reports whether
// anything is.
func (t *tracer) assigned(allocs map[*ssa.Alloc]ssa.Instruction, f *types.Var, at ssa.Instruction) bool {
	found := false
	for a, user := range allocs {
		if user == nil {
			user = at
		}
		var stores []store
		for _, s := range cellStores(a) {
			if addr, isField := s.base.(*ssa.FieldAddr); s.base == nil || isField && fieldOf(addr) == f {
				stores = append(stores, s)
			}
		}
		for _, s := range reaching(stores, user, func(store, store) bool { return true }) {
			found = true
			if s.base != nil {
				t.value(s.val, s.at)
			} else if _, zero := s.val.(*ssa.Const); !zero {
				t.field(s.val, f, s.at)
			}
		}
	}
	if found && f.Pkg() == t.pass.Pkg {
		for _, s := range t.fields[f] { // also by methods of the struct
			if _, ok := allocsOf(s.base); !ok {
				t.value(s.val, s.at)
			}
		}
	}
	return found
}

// allocsOf returns the variables that a pointer, or a struct that was read by one,
// stands for, each with the closure that took it, if one did. It reports whether it
// can be nothing else.
func allocsOf(v ssa.Value) (map[*ssa.Alloc]ssa.Instruction, bool) {
	found := make(map[*ssa.Alloc]ssa.Instruction)
	seen := make(map[ssa.Value]bool)
	var find func(v ssa.Value, at ssa.Instruction) bool
	find = func(v ssa.Value, at ssa.Instruction) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		switch v := v.(type) {
		case *ssa.Alloc:
			if pointsToStruct(v) {
				found[v] = at
				return true
			}
			stores := cellStores(v) // a variable that holds the pointer
			for _, s := range stores {
				if s.base != nil || !find(s.val, at) {
					return false
				}
			}
			return len(stores) > 0
		case *ssa.UnOp:
			if v.Op != token.MUL {
				return false
			}
			if _, isStruct := v.Type().Underlying().(*types.Struct); isStruct && at == nil {
				at = v // it is copied there
			}
			if a, isVar := v.X.(*ssa.Alloc); isVar && !pointsToStruct(a) {
				stores := reaching(cellStores(a), v, sameBase) // of the pointer
				for _, s := range stores {
					if s.base != nil || !find(s.val, at) {
						return false
					}
				}
				return len(stores) > 0
			}
			return find(v.X, at)
		case *ssa.Phi:
			for _, e := range v.Edges {
				if !find(e, at) {
					return false
				}
			}
			return true
		case *ssa.FreeVar:
			bound := false
			for b, closure := range bindings(v) {
				if bound = true; !find(b, closure) {
					return false
				}
			}
			return bound
		}
		return false
	}
	return found, find(v, nil) && len(found) > 0
}

func pointsToStruct(v ssa.Value) bool {
	_, ok := v.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Struct)
	return ok
}

// parts follows what a variable holds: what was assigned to it, to its fields and to
// its elements.
func (t *tracer) parts(v ssa.Value, at ssa.Instruction) {
	stores := reaching(cellStores(v), at, sameBase)
	elem := v.Type().Underlying()
	if p, ok := elem.(*types.Pointer); ok {
		elem = p.Elem().Underlying()
	}
	_, isStruct := elem.(*types.Struct)
	n := 0
	for _, s := range stores {
		if _, isField := s.base.(*ssa.FieldAddr); isField && t.kinds.of(s.val.Type())&t.want.parts() == 0 {
			continue // it is none of the kinds
		}
		n++
		t.value(s.val, s.at)
	}
	if n == 0 && isStruct {
		t.elsewhere(v.Pos(), "a "+t.typeName(v.Type()))
	}
}

func (c *checker) typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	return types.TypeString(t, func(p *types.Package) string {
		if p == c.pass.Pkg {
			return ""
		}
		return p.Name()
	})
}
