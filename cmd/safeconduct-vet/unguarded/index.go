package unguarded

import (
	"go/ast"
	"go/token"
	"go/types"
	"iter"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// An index finds what the funcs of a package assign and call.
type index struct {
	funcs   []*ssa.Function                         // those with a body, literals included
	fields  map[*types.Var][]store                  // by field, of whatever struct
	globals map[*ssa.Global][]store                 // by variable of the package
	callers map[*ssa.Function][]ssa.CallInstruction // that name the func
	dynamic []ssa.CallInstruction                   // of func values
	invokes map[string][]ssa.CallInstruction        // of interfaces, by method
	escapes map[*ssa.Function]bool                  // used as values
	calls   map[token.Pos]*ast.CallExpr             // by their left parenthesis
}

// newIndex builds the SSA form of a package. Of its dependencies it needs the types
// only. Files that skip reports are not looked at.
func newIndex(c *checker, skip func(token.Pos) bool) *index {
	prog := ssa.NewProgram(c.pass.Fset, 0)
	created := make(map[*types.Package]bool)
	var create func(imports []*types.Package)
	create = func(imports []*types.Package) {
		for _, p := range imports {
			if !created[p] {
				created[p] = true
				prog.CreatePackage(p, nil, nil, true)
				create(p.Imports())
			}
		}
	}
	create(c.pass.Pkg.Imports())
	pkg := prog.CreatePackage(c.pass.Pkg, c.pass.Files, c.pass.TypesInfo, false)
	pkg.Build()
	x := &index{
		fields: make(map[*types.Var][]store), globals: make(map[*ssa.Global][]store),
		callers: make(map[*ssa.Function][]ssa.CallInstruction), invokes: make(map[string][]ssa.CallInstruction),
		escapes: make(map[*ssa.Function]bool), calls: make(map[token.Pos]*ast.CallExpr),
	}
	var add func(f *ssa.Function)
	add = func(f *ssa.Function) {
		x.funcs = append(x.funcs, f)
		for _, anon := range f.AnonFuncs {
			add(anon)
		}
	}
	for _, file := range c.pass.Files {
		if skip(file.Pos()) {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if fn, ok := c.pass.TypesInfo.Defs[n.Name].(*types.Func); ok {
					if f := prog.FuncValue(fn); f != nil {
						add(f)
					}
				}
			case *ast.CallExpr:
				x.calls[n.Lparen] = n
			}
			return true
		})
	}
	if init := pkg.Func("init"); init != nil {
		add(init) // the variables of the package
	}
	for _, f := range x.funcs {
		for instr := range instrs[ssa.Instruction](f) {
			if !skip(instr.Pos()) {
				x.add(instr)
			}
		}
	}
	return x
}

// instrs yields the instructions of a func that are of a type.
func instrs[T ssa.Instruction](f *ssa.Function) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, b := range f.Blocks {
			for _, instr := range b.Instrs {
				if i, ok := instr.(T); ok && !yield(i) {
					return
				}
			}
		}
	}
}

func (x *index) add(instr ssa.Instruction) {
	var callee ssa.Value
	switch i := instr.(type) {
	case *ssa.Store:
		x.addStore(i.Addr, store{at: i, val: i.Val})
	case *ssa.MapUpdate:
		if load, ok := i.Map.(*ssa.UnOp); ok {
			x.addStore(load.X, store{at: i, val: i.Value})
		}
	case ssa.CallInstruction:
		callee = i.Common().Value
		f := staticCallee(i.Common())
		switch {
		case i.Common().IsInvoke():
			x.invokes[i.Common().Method.Name()] = append(x.invokes[i.Common().Method.Name()], i)
		case f != nil:
			x.callers[f] = append(x.callers[f], i)
		default:
			if _, ok := callee.(*ssa.Builtin); !ok {
				x.dynamic = append(x.dynamic, i)
			}
		}
	}
	for _, op := range instr.Operands(nil) {
		f, ok := (*op).(*ssa.Function)
		if !ok || *op == callee {
			continue
		}
		if closure, ok := instr.(*ssa.MakeClosure); ok && onlyCalled(closure) {
			continue
		}
		x.escapes[declared(f)] = true
	}
}

// onlyCalled reports whether a closure is used for nothing but calls.
func onlyCalled(closure *ssa.MakeClosure) bool {
	for _, ref := range *closure.Referrers() {
		call, ok := ref.(ssa.CallInstruction)
		if !ok || call.Common().Value != closure {
			return false
		}
		for _, arg := range call.Common().Args {
			if arg == closure {
				return false
			}
		}
	}
	return true
}

func (x *index) addStore(addr ssa.Value, s store) {
	switch a := addr.(type) {
	case *ssa.FieldAddr:
		s.base = a.X
		f := fieldOf(a)
		x.fields[f] = append(x.fields[f], s)
	case *ssa.Global:
		x.globals[a] = append(x.globals[a], s)
	case *ssa.IndexAddr:
		if load, ok := a.X.(*ssa.UnOp); ok && load.Op == token.MUL {
			x.addStore(load.X, s)
		} else {
			x.addStore(a.X, s) // an array
		}
	}
}

// fieldOf returns the field, of generic types as it was declared.
func fieldOf(a *ssa.FieldAddr) *types.Var {
	t := a.X.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Struct)
	return t.Field(a.Field).Origin()
}

// staticCallee returns the func that a call names, of a generic one its declaration.
func staticCallee(c *ssa.CallCommon) *ssa.Function {
	f := c.StaticCallee()
	if f == nil {
		return nil
	}
	return declared(f)
}

// declared returns the func as it is written: a generic one for an instance of it,
// and a method for its value or expression.
func declared(f *ssa.Function) *ssa.Function {
	if o := f.Origin(); o != nil {
		f = o
	}
	if m, ok := f.Object().(*types.Func); ok && f.Synthetic != "" {
		if d := f.Prog.FuncValue(m.Origin()); d != nil {
			return d
		}
	}
	return f
}

// objectOf returns the func that a call names, also that of an interface, or nil.
func objectOf(c *ssa.CallCommon) *types.Func {
	if c.IsInvoke() {
		return c.Method
	}
	if f := c.StaticCallee(); f != nil {
		if o, ok := f.Object().(*types.Func); ok {
			return o.Origin()
		}
	}
	return nil
}

// implementations returns the methods of the package that a call of an interface may
// reach.
func (x *index) implementations(c *ssa.CallCommon) []*ssa.Function {
	iface, ok := c.Value.Type().Underlying().(*types.Interface)
	if !ok {
		return nil
	}
	var found []*ssa.Function
	for _, f := range x.funcs {
		if recv := f.Signature.Recv(); recv != nil && f.Name() == c.Method.Name() && len(f.Blocks) > 0 &&
			types.Implements(recv.Type(), iface) {
			found = append(found, f)
		}
	}
	return found
}

func isTest(fset *token.FileSet, pos token.Pos) bool {
	return pos.IsValid() && strings.HasSuffix(fset.Position(pos).Filename, "_test.go")
}
