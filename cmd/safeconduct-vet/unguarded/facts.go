package unguarded

import (
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A looked is the fact that a package was looked at, so that its importers are too.
type looked struct{}

func (*looked) AFact()         {}
func (*looked) String() string { return "looked" }

// A called is what is called of a value that is handed on. Facts have them in lists, as
// maps are not written twice in the same order.
type called struct {
	Param int // of a func, the receiver first
	What  string
	Kind  int // of call
}

// newCalled returns what the demands are, for other packages.
func newCalled(ds []demand) []called {
	var all []called
	for _, d := range ds {
		c := called{What: d.what, Kind: int(d.kind)}
		if d.param != nil {
			c.Param = paramIndex(d.param)
		}
		all = append(all, c)
	}
	return all
}

// A passes is what the callers of a func in other packages must know of it.
type passes struct {
	Calls   []called
	Results []returned
}

// A returned is a result that is as guarded as parameters are, or, with none, guarded.
type returned struct {
	Result int
	Params []int
}

func (*passes) AFact() {}

func (p *passes) String() string {
	calls, results := make(map[int]string), make(map[int][]int)
	for _, c := range p.Calls {
		calls[c.Param] = strings.TrimSpace(calls[c.Param] + " " + c.What)
	}
	for _, r := range p.Results {
		results[r.Result] = r.Params
	}
	return fmt.Sprintf("calls %v, returns %v", calls, results)
}

// A holds is what other packages must know of a variable or field.
type holds struct {
	Guarded bool // all that is assigned to it
	Calls   []called
}

func (*holds) AFact() {}

func (h *holds) String() string {
	var what []string
	for _, c := range h.Calls {
		what = append(what, c.What)
	}
	return fmt.Sprintf("guarded %t, called %q", h.Guarded, strings.Join(what, " "))
}

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
