package middleware

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Reach is for adapters: it says which calls come to the interceptors around
// something, so that none of them stands where it could never see a call. A guard that
// does nothing is worse than none.
//
//	middleware.Reach{
//		What:    "langchaingo: Model(openai.LLM)",
//		Kinds:   []middleware.Kind{middleware.KindModel},
//		Instead: "Guard the executor with langchaingo.Executor",
//	}.Check(is...)
type Reach struct {
	What    string // is wrapped, and by what: panics begin with it
	Kinds   []Kind // of the calls that come
	Instead string // what to use for other kinds, as a sentence without its full stop

	// Tools are all the tools that are called there, by their names. Nil means that
	// they are not known, and rules for any tool will do. Where Shared is true, there
	// are others elsewhere, and it is enough that an interceptor has a rule for one.
	Tools  []string
	Shared bool

	// Alone says that each call may be a run of its own: what counts over the calls
	// of a run is refused, but for what is [Shared].
	Alone bool

	// Inside is what there makes calls that come to its own interceptors alone, if it
	// has any. A gate that is for such calls must be among them, by its [Layer.ID].
	// Tools in it are there, too.
	Inside []Guarded
}

// Check panics if one of the interceptors is a gate, or stands in [On] or [OnTool], and
// could never see a call: for other kinds, for tools that are not there, or for a count
// over the calls of a run where each call is one. So it does for what would miss some of
// the calls that it is for, and without interceptors. The panic says which, where, and
// what to do. Of what is [Shared] one must see calls. What says nothing of itself passes,
// as an interceptor of one's own may.
func (r Reach) Check(is ...Interceptor) {
	if len(is) == 0 {
		panic(r.What + " without interceptors guards nothing")
	}
	inside := make([][]Layer, len(r.Inside))
	for i, in := range r.Inside {
		inside[i] = Layers(in.Interceptors...)
	}
	useless := make(map[*Gate]string)
	useful := make(map[*Gate]bool)
	layers := Layers(is...)
	for _, l := range layers {
		if !l.Gate && l.tool == "" && l.only == 0 {
			continue
		}
		why, wrong := "", r.misses(l, inside)
		if !r.judgedInside(l, inside) {
			why = cmp.Or(r.wrongKind(l), r.wrongCount(l))
		}
		if tool := r.wrongTool(l); why == "" {
			why = tool
			if !r.Shared {
				wrong = cmp.Or(tool, wrong)
			}
		}
		switch {
		case why != "" && l.shared == nil:
			panic(why)
		case wrong != "":
			panic(wrong)
		case why == "":
			useful[l.shared] = true
		case useless[l.shared] == "":
			useless[l.shared] = why
		}
	}
	for _, l := range layers {
		if why := useless[l.shared]; why != "" && !useful[l.shared] {
			panic(why)
		}
	}
}

// judgedInside reports whether calls come to a gate around something inside.
func (r Reach) judgedInside(l Layer, inside [][]Layer) bool {
	for i, in := range r.Inside {
		if l.among(inside[i], in.Kind) {
			return true
		}
	}
	return false
}

// misses returns why a gate would miss calls that it is for: something inside makes them
// without it.
func (r Reach) misses(l Layer, inside [][]Layer) string {
	kinds := l.counted()
	for i, in := range r.Inside {
		switch {
		case in.Kind == KindChain, // a part of the run that comes
			l.never || !slices.Contains(kinds, in.Kind),
			in.Kind == KindPlan && l.sees(KindTool), // each call of the plan is judged when it is made
			in.Kind == KindTool && len(l.Tools) > 0 && !hasTool(l.Tools, in.Name),
			l.ID == nil && len(inside[i]) > 0, // nobody can tell
			l.among(inside[i], in.Kind):
			continue
		}
		other := ""
		if len(in.Interceptors) > 0 {
			other = ", which others guard"
		}
		return fmt.Sprintf("%s is for %s calls, and cannot reach the %s %s%s: guard it where it is made, by this gate too%s",
			r.who(l), kindList(kinds), doer(in.Kind), in.Name, other, r.instead())
	}
	return ""
}

// doer names what makes calls of a kind.
func doer(k Kind) string {
	if k == KindPlan {
		return "agent"
	}
	return k.String()
}

// wrongCount returns why a gate that counts over a run counts nothing here.
func (r Reach) wrongCount(l Layer) string {
	if !r.Alone || !l.PerRun || l.shared != nil {
		return ""
	}
	return fmt.Sprintf("%s: the gate %s counts over the calls of a run, and each of these calls may be a run of its own. "+
		"Guard the chain or the agent with it, give it another scope, "+
		"or say with middleware.Shared that what makes the calls is guarded too", r.What, l.Name)
}

// who names the layer in a panic.
func (r Reach) who(l Layer) string {
	if l.Gate {
		return r.What + ": the gate " + l.Name
	}
	return r.What + ": the interceptor " + l.Name // that On or OnTool stands around
}

func (r Reach) wrongKind(l Layer) string {
	counted := l.counted()
	if !l.never && (len(counted) == 0 || slices.ContainsFunc(r.Kinds, func(k Kind) bool { return slices.Contains(counted, k) })) {
		return ""
	}
	kinds := "no calls"
	if !l.never {
		kinds = kindList(counted) + " calls"
	}
	return fmt.Sprintf("%s is for %s, and only %s calls come here: it would do nothing%s",
		r.who(l), kinds, kindList(r.Kinds), r.instead())
}

func (r Reach) instead() string {
	if r.Instead == "" {
		return ""
	}
	return ". " + r.Instead
}

func (r Reach) wrongTool(l Layer) string {
	if r.Tools == nil || len(l.Tools) == 0 {
		return ""
	}
	known := slices.Clone(r.Tools)
	for _, in := range r.Inside {
		if in.Kind == KindTool && !hasTool(known, in.Name) {
			known = append(known, in.Name)
		}
	}
	var unknown []string
	for _, name := range l.Tools {
		if !hasTool(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 || r.Shared && len(unknown) < len(l.Tools) {
		return ""
	}
	name := unknown[0]
	hint := ""
	if near := nearest(name, known); near != "" {
		hint = "; did you mean " + strconv.Quote(near) + "?"
	}
	if l.shared != nil {
		hint += ". Rules for tools that others have belong in a gate that is around those alone"
	}
	return fmt.Sprintf("%s has a rule for the tool %q, which is not there: it would do nothing. The tools are %s%s",
		r.who(l), name, quoted(known), hint)
}

// hasTool reports whether the tool is among those. Gates go by names without regard to
// case, as frameworks do.
func hasTool(tools []string, name string) bool {
	return slices.ContainsFunc(tools, func(t string) bool { return strings.EqualFold(t, name) })
}

// quoted lists names for people; of many, the first.
func quoted(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "none"
	}
	q := make([]string, 0, most+1)
	for i, name := range names {
		if i == most {
			q = append(q, strconv.Itoa(len(names)-most)+" more")
			break
		}
		q = append(q, strconv.Quote(name))
	}
	return list(q, "and")
}

// nearest returns the name that was probably meant, or nothing: one that differs by
// a letter, but for the only one, or by at most a third of them.
func nearest(name string, names []string) string {
	best, least := "", min(max(len(name)/3, 1)+1, len(name))
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace to make b of a
// (Levenshtein, 1966).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range to {
			replace := diagonal
			if x != y {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// Shared says that the interceptors guard several things together, such as an agent
// of one's own and, each where it is made, its model and its tools:
//
//	guard := middleware.Shared(recorder.Intercept, gates.Tools("search"), gates.Budget(limits))
//
// Around one of them, what is for another is no mistake then, nor is what counts over
// the calls of a run: adapters refuse both otherwise. A rule for a tool that is not there
// they refuse all the same where they know all tools, as around an agent. Shared holds
// what it says: where it counts over a run, a call that is a run of its own is denied
// with [CodeIndeterminate], but for that of a chain. It panics as [Compose] does.
func Shared(is ...Interceptor) Interceptor {
	mustInterceptors("Shared", is)
	g := NewGate("shared")
	i := Compose(is...)
	return shared(g, i, slices.ContainsFunc(Layers(i), func(l Layer) bool { return l.PerRun && !l.Shadow }))
}

func shared(g *Gate, i Interceptor, perRun bool) Interceptor {
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return shared(g, Compose(parts...), perRun) })
			l.shared = g
			return l.Handler()
		}
		if !perRun {
			return i(next)
		}
		// Innermost, so that a recorder in i sees the denial.
		return i(func(ctx context.Context, call Call) (Result, error) {
			if call.Parent == 0 && call.Kind != KindChain {
				ruling := g.Begin(ctx)
				return Result{}, ruling.Deny(ctx, call, Deny(CodeIndeterminate,
					"the call is a run of its own, and what guards it counts over the calls of a run"))
			}
			return next(ctx, call)
		})
	}
}
