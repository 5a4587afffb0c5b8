package gates

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// ArgumentRules are what the arguments of tools have to be, by the names under
// which the tools are registered. All rules of a tool have to hold.
//
// There is at least one tool, and each has rules. No name of a tool is empty, no two
// differ by case only, and no argument of a tool has two rules.
type ArgumentRules map[string][]Rule

// A Rule is about one argument of a tool, or about all. Rules are made by [Arg],
// [OptionalArg], [Text] and [Check]; the zero Rule is none. A Rule is safe for
// concurrent use.
type Rule struct {
	name       string // of the argument
	optional   bool
	text       bool
	conditions []Condition
	check      func(ctx context.Context, call middleware.Call, args map[string]any) error
}

// Arg is the rule that an argument has to be there and satisfy all conditions.
// It panics if name is empty or a Condition is zero.
func Arg(name string, conditions ...Condition) Rule {
	mustConditions("Arg", conditions)
	if name == "" {
		panic("gates: Arg: empty name")
	}
	return Rule{name: name, conditions: slices.Clone(conditions)}
}

// OptionalArg is the rule that an argument, if it is there, has to satisfy all
// conditions. A null is there. It panics as [Arg] does.
func OptionalArg(name string, conditions ...Condition) Rule {
	r := Arg(name, conditions...)
	r.optional = true
	return r
}

// Text is the rule that the whole input of a tool, which is text and not JSON,
// has to satisfy all conditions. It must be the only rule of its tool. Text
// panics without conditions, or if one is zero.
func Text(conditions ...Condition) Rule {
	mustConditions("Text", conditions)
	if len(conditions) == 0 {
		panic("gates: Text: no conditions")
	}
	return Rule{text: true, conditions: slices.Clone(conditions)}
}

// Check is the rule of a func, which sees all arguments once the other rules hold. What
// its errors mean is as for [middleware.Before], but that it can only deny: where it
// abstains the gate still allows, and what [middleware.Allow] returned denies. Numbers
// are json.Number. The func may be called twice for one call: for the plan that asks
// for it, with the plan's ID, and when it is made. It must not modify the
// arguments, and must be safe for concurrent use. Check panics if f is nil.
func Check(f func(ctx context.Context, call middleware.Call, args map[string]any) error) Rule {
	if f == nil {
		panic("gates: Check: nil func")
	}
	return Rule{check: f}
}

// Arguments returns the gate "arguments", which allows and denies calls of tools by the
// values of their arguments, beyond what a schema says of their shape. It judges each
// call of a tool that has rules, and refuses an agent's whole turn if one call in it
// breaks a rule, before any of them runs. Tools without rules pass: which tools may run
// is for [Tools] to say. Names of tools are compared without regard to case.
//
// A value that breaks a rule is denied with [middleware.CodePolicy], one that cannot be
// judged or read with [middleware.CodeBadInput]. The reason names the argument and what
// the rule allows, see [Quiet], never the value. Arguments panics if rules make no sense.
func Arguments(rules ArgumentRules) middleware.Interceptor {
	a := newArguments(rules)
	plans := a.gate.Plans(a.plan)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return onToolCalls(a.gate, a.names)
		}
		var first atomic.Pointer[rulesBinding]
		plan := plans(next)
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			switch call.Kind {
			case middleware.KindTool:
			case middleware.KindPlan:
				return plan(ctx, call)
			default:
				return next(ctx, call)
			}
			b := first.Load()
			if b == nil || b.name != call.Name {
				b = a.bind(&first, call.Name)
			}
			if b.rules == nil {
				return next(ctx, call)
			}
			ruling := a.gate.Begin(ctx)
			if err := b.rules.call(ctx, &call); err != nil {
				return middleware.Result{}, ruling.Deny(ctx, call, err)
			}
			ruling.Allow()
			return next(ctx, call)
		}
	}
}

const argumentsName = "arguments"

// arguments are ArgumentRules made ready.
type arguments struct {
	gate  *middleware.Gate
	tools map[string]*toolRules // by their names as strictjson.Fold maps them
	names []string              // of the tools, sorted
}

// A rulesBinding is the rules at work for one wrapped tool. As that has one name, they
// are looked up once.
type rulesBinding struct {
	name  string
	rules *toolRules // nil if there are none
}

// bind looks up the rules of a tool.
func (a *arguments) bind(first *atomic.Pointer[rulesBinding], name string) *rulesBinding {
	b := &rulesBinding{name, a.tools[strictjson.Fold(name)]}
	first.CompareAndSwap(nil, b)
	return b
}

// toolRules are the rules of one tool.
type toolRules struct {
	tool   string
	text   []Condition // where the input is text
	args   []argument
	checks []func(ctx context.Context, call middleware.Call, args map[string]any) error
}

// An argument is a Rule about one.
type argument struct {
	Rule
	folded uint64 // hash of its name
}

func newArguments(rules ArgumentRules) *arguments {
	if len(rules) == 0 {
		panic("gates: Arguments without rules guards nothing")
	}
	a := &arguments{gate: middleware.NewGate(argumentsName), tools: make(map[string]*toolRules, len(rules))}
	for tool, list := range rules {
		if tool == "" || len(list) == 0 {
			panic(fmt.Sprintf("gates: Arguments: tool %q: no name, or no rules", tool))
		}
		if twin := a.tools[strictjson.Fold(tool)]; twin != nil {
			panic(fmt.Sprintf("gates: Arguments: tools %q and %q differ by case only", twin.tool, tool))
		}
		t := &toolRules{tool: tool}
		for _, r := range list {
			t.add(r)
		}
		a.tools[strictjson.Fold(tool)] = t
		a.names = append(a.names, tool)
	}
	slices.Sort(a.names)
	return a
}

// add adds a rule, and panics where it makes no sense.
func (t *toolRules) add(r Rule) {
	switch {
	case t.text != nil || r.text && len(t.args)+len(t.checks) > 0:
		panic(fmt.Sprintf("gates: Arguments: tool %q: Text is not the only rule", t.tool))
	case r.text:
		t.text = r.conditions
	case r.check != nil:
		t.checks = append(t.checks, r.check)
	case r.name == "":
		panic(fmt.Sprintf("gates: Arguments: tool %q: zero Rule", t.tool))
	default:
		arg := argument{r, strictjson.FoldHash(r.name)}
		if slices.ContainsFunc(t.args, func(other argument) bool { return other.folded == arg.folded }) {
			panic(fmt.Sprintf("gates: Arguments: tool %q: argument %q is there twice", t.tool, r.name))
		}
		t.args = append(t.args, arg)
	}
}

// plan judges the batch of tool calls that a plan asks for.
func (a *arguments) plan(ctx context.Context, call middleware.Call, plan *middleware.Plan) error {
	for i := range plan.ToolCalls {
		planned := &plan.ToolCalls[i]
		rules := a.tools[strictjson.Fold(planned.Tool())]
		if rules == nil {
			continue
		}
		c := middleware.Call{ID: call.ID, Parent: call.Parent, Kind: middleware.KindTool, Name: planned.Tool(), Input: planned.Input}
		if err := rules.call(ctx, &c); err != nil {
			return middleware.DenyToolCall(i, rules.tool, err)
		}
	}
	return nil
}

// call judges one call of the tool.
func (t *toolRules) call(ctx context.Context, call *middleware.Call) error {
	input, ok := call.Input.(string)
	switch {
	case !ok:
		return notText(call)
	case len(input) > DefaultMaxBytes:
		return badInput("the input is larger than " + strconv.Itoa(DefaultMaxBytes) + " bytes")
	case t.text == nil:
		return t.object(ctx, call, input)
	case !utf8.ValidString(input):
		return badInput("the input " + notUTF8)
	}
	if c, f := (value{raw: input, text: true}).satisfies(t.text); f != answerYes {
		return notSatisfied("the input", c, f)
	}
	return nil
}

// A span is where a value stands in the input. It has no pointers: to note one
// costs nothing while the garbage collector runs.
type span struct {
	from, to int
	clean    bool // as that of the value
}

// object judges arguments that are a JSON object.
func (t *toolRules) object(ctx context.Context, call *middleware.Call, input string) error {
	var few [8]span // where the arguments that have rules stand
	found := few[:]
	if len(t.args) > len(few) {
		found = make([]span, len(t.args))
	}
	var r strictjson.Reader
	r.Init(input)
	if r.Next() != '{' && r.Fault() == nil {
		return badInput("the input is not a JSON object")
	}
	var names strictjson.NameSet[uint64]
	r.Open()
	for n := 0; r.More(n, '}'); n++ {
		name := r.Name()
		r.Colon()
		folded := name.FoldHash()
		r.Unique(&names, folded)
		first := r.Next()
		at := span{from: r.Offset()}
		if first == '"' {
			at.clean = !r.Text().Escaped()
		} else {
			r.Skip()
		}
		if r.Fault() != nil {
			break
		}
		for i := range t.args {
			if t.args[i].folded != folded {
				continue
			}
			if name.String() != t.args[i].name {
				return badInput("argument " + shown.Name(t.args[i].name) + " is spelled in another way")
			}
			at.to = r.Offset()
			found[i] = at
			break // there are no twins
		}
	}
	if r.End(); r.Fault() != nil {
		return badInput("the input " + wrongWith(r.Fault()))
	}
	for i := range t.args {
		arg := &t.args[i]
		at := found[i]
		if at.to == 0 {
			if arg.optional {
				continue
			}
			return badInput("argument " + shown.Name(arg.name) + " is required")
		}
		if c, f := (value{raw: input[at.from:at.to], clean: at.clean}).satisfies(arg.conditions); f != answerYes {
			return notSatisfied("argument "+shown.Name(arg.name), c, f)
		}
	}
	if len(t.checks) > 0 {
		return t.check(ctx, *call, input)
	}
	return nil
}

const notUTF8 = "is not valid UTF-8"

// wrongWith says what is wrong with arguments, after "the input".
func wrongWith(f *strictjson.Fault) string {
	switch f.Keyword {
	case strictjson.KeywordEncoding:
		return notUTF8
	case strictjson.KeywordDepth:
		return "is nested deeper than " + strconv.Itoa(strictjson.MaxDepth)
	case strictjson.KeywordTwin:
		return "has a name twice, or two that differ by case only"
	}
	if f.Reason == strictjson.ReasonTrailing {
		return "has something after its JSON value"
	}
	return "is not valid JSON"
}

func notSatisfied(what string, c *Condition, f answer) error {
	code := middleware.CodePolicy
	if f == answerUnknown {
		code = middleware.CodeBadInput
	}
	return &middleware.DeniedError{Code: code, Reason: what + " must " + c.be}
}

// check has the user's funcs judge all arguments.
func (t *toolRules) check(ctx context.Context, call middleware.Call, input string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &middleware.DeniedError{
				Code: middleware.CodeIndeterminate, Reason: shown.Panicked("the gate"),
				Err: &middleware.PanicError{Kind: call.Kind, Call: t.tool, Value: v, Stack: debug.Stack()}, // not as the model spells it
			}
		}
	}()
	var args map[string]any
	dec := json.NewDecoder(strings.NewReader(input))
	dec.UseNumber()
	if err := dec.Decode(&args); err != nil {
		return err // it was read before: a bug, and a denial
	}
	for _, f := range t.checks {
		if err := objection(f(ctx, call, args)); err != nil {
			return err
		}
	}
	return nil
}
