package unguarded

import (
	"fmt"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// A looked is the fact that a package was looked at, so that its importers are too.
type looked struct{}

func (*looked) AFact()         {}
func (*looked) String() string { return "looked" }

// A passes is what the callers of a func in other packages must know of it.
type passes struct {
	Calls   map[int]string // by parameter, the receiver first: what is called of it
	Kinds   map[int]int    // and what kind of call that is
	Results map[int][]int  // by result that is as guarded as parameters, or, with none, guarded
}

func (*passes) AFact() {}

func (p *passes) String() string { return fmt.Sprintf("calls %v, returns %v", p.Calls, p.Results) }

// A holds is what other packages must know of a variable or field.
type holds struct {
	Guarded bool   // all that is assigned to it
	Called  string // what is called of it, or empty
	Kind    int    // and what kind of call that is
}

func (*holds) AFact() {}

func (h *holds) String() string { return fmt.Sprintf("guarded %t, called %q", h.Guarded, h.Called) }

func factTypes() []analysis.Fact { return []analysis.Fact{new(looked), new(passes), new(holds)} }

// passesOf returns what is known of a func of another package, or nil.
func (c *checker) passesOf(f *types.Func) *passes {
	p := new(passes)
	if f == nil || f.Pkg() == c.pass.Pkg || !c.pass.ImportObjectFact(f, p) {
		return nil
	}
	return p
}

// holdsOf returns what is known of a variable of another package, or nil.
func (c *checker) holdsOf(v *types.Var) *holds {
	h := new(holds)
	if v == nil || v.Pkg() == c.pass.Pkg || !c.pass.ImportObjectFact(v, h) {
		return nil
	}
	return h
}
