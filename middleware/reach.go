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

	// Inside are interceptors that stand further inside, around what is guarded there
	// already. What is among them by its [Layer.ID] sees calls.
	Inside []Interceptor
}

// Check panics if one of the interceptors is a gate, or stands in [On] or [OnTool], and
// could never see a call: for other kinds, for tools that are not there, or for a count
// over the calls of a run where each call is one. The panic says which, where, and what to
// do. Of what is [Shared] one must see calls. What says nothing of itself passes, as an
// interceptor of one's own may.
func (r Reach) Check(is ...Interceptor) {
	inside := Layers(r.Inside...)
	useless := make(map[*Gate]string)
	useful := make(map[*Gate]bool)
	layers := Layers(is...)
	for _, l := range layers {
		if !l.Gate && l.tool == "" && l.only == 0 {
			continue
		}
		why := ""
		if l.ID == nil || !slices.ContainsFunc(inside, func(in Layer) bool { return in.ID == l.ID && in.overlaps(l) }) {
			why = cmp.Or(r.wrongKind(l), r.wrongTool(l), r.wrongCount(l))
		}
		switch {
		case why == "":
			useful[l.shared] = true
		case l.shared == nil:
			panic(why)
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
	return r.What + ": the interceptor " + l.Name // that OnTool stands around
}

func (r Reach) wrongKind(l Layer) string {
	if slices.ContainsFunc(r.Kinds, l.sees) {
		return ""
	}
	kinds := "no calls"
	if !l.never {
		kinds = kindList(l.Kinds) + " calls"
	}
	instead := ""
	if r.Instead != "" {
		instead = ". " + r.Instead
	}
	return fmt.Sprintf("%s is for %s, and only %s calls come here: it would do nothing%s",
		r.who(l), kinds, kindList(r.Kinds), instead)
}

func (r Reach) wrongTool(l Layer) string {
	if r.Tools == nil || len(l.Tools) == 0 {
		return ""
	}
	var unknown []string
	for _, name := range l.Tools {
		// Gates go by names without regard to case, as frameworks do.
		if !slices.ContainsFunc(r.Tools, func(t string) bool { return strings.EqualFold(t, name) }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 || r.Shared && len(unknown) < len(l.Tools) {
		return ""
	}
	name := unknown[0]
	hint := ""
	if near := nearest(name, r.Tools); near != "" {
		hint = "; did you mean " + strconv.Quote(near) + "?"
	}
	return fmt.Sprintf("%s has a rule for the tool %q, which is not there: it would do nothing. The tools are %s%s",
		r.who(l), name, quoted(r.Tools), hint)
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
// a letter, or by at most a third of them.
func nearest(name string, names []string) string {
	best, least := "", max(len(name)/3, 1)+1
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
// the calls of a run: adapters refuse both otherwise. Shared holds what it says: where
// it counts over a run, a call that is a run of its own is denied with
// [CodeIndeterminate], but for that of a chain. It panics as [Compose] does.
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
