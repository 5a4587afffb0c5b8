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
		t.stored(cellStores(v)) // what is put into it later
	}
	if made(v) {
		for _, s := range reaching(cellStores(v), at, sameBase) { // what its fields are set to later
			if t.kinds.of(s.val.Type())&t.want.parts() != 0 {
				t.value(s.val, s.at)
			}
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
		t.stored(bindings(v))
	case *ssa.Phi:
		for _, edge := range v.Edges {
			t.value(edge, v)
		}
	case *ssa.MakeInterface, *ssa.ChangeInterface, *ssa.ChangeType, *ssa.Convert, *ssa.TypeAssert,
		*ssa.Slice, *ssa.SliceToArrayPointer, *ssa.Index, *ssa.Lookup:
		t.operand(v)
	case *ssa.Extract:
		t.extract(v)
	case *ssa.Call:
		t.result(v, 0)
	case *ssa.UnOp:
		if v.Op == token.MUL {
			t.cell(v.X, v)
		} else {
			t.operand(v)
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

// made reports whether a value points to a struct that a call returned.
func made(v ssa.Value) bool {
	switch v.(type) {
	case *ssa.Call, *ssa.Extract:
		_, isPointer := v.Type().Underlying().(*types.Pointer)
		return isPointer && pointsToStruct(v)
	}
	return false
}

// stored follows what was assigned.
func (t *tracer) stored(stores []store) {
	for _, s := range stores {
		t.value(s.val, s.at)
	}
}

// operand follows what a value is another form, or a part, of: its first operand.
func (t *tracer) operand(v ssa.Value) { t.value(operandOf(v), v.(ssa.Instruction)) }

// operandOf returns the first operand of a value that an instruction makes.
func operandOf(v ssa.Value) ssa.Value { return *v.(ssa.Instruction).Operands(nil)[0] }

func (t *tracer) extract(v *ssa.Extract) {
	switch tuple := v.Tuple.(type) {
	case *ssa.Call:
		t.result(tuple, v.Index)
	case *ssa.TypeAssert, *ssa.Lookup, *ssa.UnOp:
		t.operand(tuple)
	case *ssa.Next:
		if r, ok := tuple.Iter.(*ssa.Range); ok {
			t.operand(r)
		}
	default:
		t.unknown(v.Pos(), "a value that cannot be followed")
	}
}

// cell follows what is stored at an address.
func (t *tracer) cell(addr ssa.Value, at ssa.Instruction) {
	switch a := addr.(type) {
	case *ssa.Alloc:
		t.parts(a, at)
	case *ssa.FreeVar:
		for _, b := range bindings(a) {
			t.cell(b.val, b.at)
		}
	case *ssa.Global:
		stores := t.globals[a]
		t.stored(stores)
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
	if vars, all := variablesOf(base); all && t.assigned(vars, f, at) {
		return
	}
	if f.Pkg() != t.pass.Pkg {
		t.value(base, at) // it is as guarded as the whole
		return
	}
	stores := t.fields[f]
	t.stored(stores)
	switch {
	case f.Exported() && t.pass.Pkg.Name() != "main":
		t.add(origin{what: fromField, field: f})
	case len(stores) == 0:
		t.unknown(at.Pos(), "the field "+f.Name()+", to which nothing is assigned here")
	}
}

// assigned follows what is assigned to a field of variables, and reports whether
// anything is.
func (t *tracer) assigned(vars []variable, f *types.Var, at ssa.Instruction) bool {
	found := false
	for _, v := range vars {
		user := v.closure
		if user == nil {
			user = at
		}
		var stores []store
		for _, s := range cellStores(v.alloc) {
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
			if _, ok := variablesOf(s.base); !ok {
				t.value(s.val, s.at)
			}
		}
	}
	return found
}

// A variable is one that a pointer stands for.
type variable struct {
	alloc   *ssa.Alloc
	closure ssa.Instruction // that took it, or nil
}

// variablesOf returns the variables that a pointer, or a struct that was read by one,
// stands for. It reports whether it can be nothing else.
func variablesOf(v ssa.Value) ([]variable, bool) {
	var found []variable
	seen := make(map[ssa.Value]bool)
	var find func(v ssa.Value, at ssa.Instruction) bool
	find = func(v ssa.Value, at ssa.Instruction) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		held := func(stores []store) bool { // by a variable, the pointer is
			return every(stores, func(s store) bool { return s.base == nil && find(s.val, at) })
		}
		switch v := v.(type) {
		case *ssa.Alloc:
			if pointsToStruct(v) {
				found = append(found, variable{v, at})
				return true
			}
			return held(cellStores(v))
		case *ssa.UnOp:
			if v.Op != token.MUL {
				return false
			}
			if _, isStruct := v.Type().Underlying().(*types.Struct); isStruct && at == nil {
				at = v // it is copied there
			}
			if a, isVar := v.X.(*ssa.Alloc); isVar && !pointsToStruct(a) {
				return held(reaching(cellStores(a), v, sameBase))
			}
			return find(v.X, at)
		case *ssa.Phi:
			return every(v.Edges, func(e ssa.Value) bool { return find(e, at) })
		case *ssa.FreeVar:
			return every(bindings(v), func(b store) bool { return find(b.val, b.at) })
		}
		return false
	}
	all := find(v, nil)
	return found, all && len(found) > 0
}

// every reports whether something holds of all values, and there are some. It asks
// of each.
func every[T any](values []T, holds func(T) bool) bool {
	all := len(values) > 0
	for _, v := range values {
		all = holds(v) && all
	}
	return all
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
