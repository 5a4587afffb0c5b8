package langchaingo

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/middleware"
)

// A reach guards what a chain or an agent of langchaingo holds, in copies, and notes
// which calls then come to the interceptors.
type reach struct {
	guards
	is []middleware.Interceptor // for all kinds but those of guards

	strict bool // a model that cannot be reached is refused, whatever the interceptors are for

	kinds  []middleware.Kind
	tools  []string
	inside []middleware.Guarded // what makes calls that cannot be reached

	copied map[any]reflect.Value // by the pointer to what was copied
}

func newReach(is []middleware.Interceptor) *reach {
	return &reach{
		guards: newGuards(is), is: is,
		kinds: []middleware.Kind{middleware.KindChain}, copied: make(map[any]reflect.Value),
	}
}

func (r *reach) sees(kinds ...middleware.Kind) {
	for _, k := range kinds {
		if !slices.Contains(r.kinds, k) {
			r.kinds = append(r.kinds, k)
		}
	}
}

// check panics where one of the interceptors would guard nothing.
func (r *reach) check(who string, of any, is []middleware.Interceptor) {
	middleware.Reach{
		What: "langchaingo: " + who + "(" + typeName(of) + ")", Kinds: r.kinds, Tools: r.tools, Inside: r.inside,
		Instead: "What is not in a chain of langchaingo's is guarded where it is made, " +
			"with langchaingo.Model, Tool, Retriever, Agent, Engine or Requester",
	}.Check(is...)
}

// outermost guards what c holds, and not its runs.
func (r *reach) outermost(c chains.Chain) chains.Chain {
	if inner, name := withoutName(c); name != "" {
		return nameChain(name, r.outermost(inner))
	}
	if e, ok := c.(*agents.Executor); ok {
		return r.executor(e)
	}
	v := reflect.ValueOf(c)
	if !ofLangchaingo(v) {
		r.inside = append(r.inside, callers(c, part{})...)
		return c
	}
	return r.copyOf(v, true).Interface().(chains.Chain) //nolint:forcetypeassert // a copy
}

// executor guards an executor's agent, with its tools and model.
func (r *reach) executor(e *agents.Executor) *agents.Executor {
	if isNil(e.Agent) {
		return e
	}
	r.inside = append(r.inside, callers(e.Memory, part{shared: true})...)
	guarded := *e
	guarded.Agent = r.agent(e.Agent)
	return &guarded
}

// chain guards a chain within another, where that is called in its own name.
func (r *reach) chain(c chains.Chain) chains.Chain {
	if inner, name := withoutName(c); name != "" {
		return NamedChain(name, r.chain(inner))
	}
	switch inner := c.(type) {
	case *chain:
		return r.inner(inner)
	case *handlerChain:
		return r.inner(inner.chain)
	case *agents.Executor:
		if isNil(inner) || isNil(inner.Agent) {
			return c
		}
		return newChain(r.executor(inner), r.is) // each has its own turns
	}
	v := reflect.ValueOf(c)
	if !ofLangchaingo(v) {
		r.inside = append(r.inside, callers(c, part{})...)
		return c
	}
	return r.copyOf(v, false).Interface().(chains.Chain) //nolint:forcetypeassert // a copy
}

// inner guards a guarded chain within another. Its runs are a part of those of that, but
// for an executor's.
func (r *reach) inner(g *chain) chains.Chain {
	is, saves := g.is, middleware.Merge(middleware.KindChain, r.is, g.saves)
	if c, _ := withoutName(g.inner); isExecutor(c) {
		is = middleware.Merge(middleware.KindChain, r.is, is)
	}
	return newChainSaving(r.outermost(g.inner), is, saves)
}

func isExecutor(c chains.Chain) bool {
	_, is := c.(*agents.Executor)
	return is
}

// ofLangchaingo reports whether v is a struct, or a pointer to one, of which langchaingo's
// own chains are made, or what is in them.
func ofLangchaingo(v reflect.Value) bool {
	if !v.IsValid() {
		return false
	}
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		if v.IsNil() {
			return false
		}
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[chains.LLMChain](), reflect.TypeFor[chains.RetrievalQA](), reflect.TypeFor[chains.ConversationalRetrievalQA](),
		reflect.TypeFor[chains.StuffDocuments](), reflect.TypeFor[chains.MapReduceDocuments](), reflect.TypeFor[chains.RefineDocuments](),
		reflect.TypeFor[chains.MapRerankDocuments](), reflect.TypeFor[chains.SequentialChain](),
		reflect.TypeFor[chains.SimpleSequentialChain](), reflect.TypeFor[chains.SQLDatabaseChain](), reflect.TypeFor[chains.APIChain](),
		reflect.TypeFor[chains.LLMMathChain](), reflect.TypeFor[chains.Constitutional](), reflect.TypeFor[chains.Transform](),
		reflect.TypeFor[sqldatabase.SQLDatabase]():
		return true
	}
	return false
}

// copyOf returns a copy of v, which is ofLangchaingo, with guarded fields. The memory of
// the outermost is guarded as that of the guarded chain.
func (r *reach) copyOf(v reflect.Value, outermost bool) reflect.Value {
	if v.Kind() != reflect.Pointer {
		to := reflect.New(v.Type())
		to.Elem().Set(v)
		r.fields(to.Elem(), outermost)
		return to.Elem()
	}
	if done, ok := r.copied[v.Interface()]; ok {
		return done
	}
	to := reflect.New(v.Type().Elem())
	r.copied[v.Interface()] = to
	to.Elem().Set(v.Elem())
	r.fields(to.Elem(), outermost)
	return to
}

// fields guards what the fields of a copy hold. Some of langchaingo's chains keep the
// chains and models in fields that are not exported: the copy is ours to change.
func (r *reach) fields(s reflect.Value, outermost bool) {
	for i := range s.NumField() {
		f := s.Field(i)
		f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
		if m, isMemory := f.Interface().(schema.Memory); isMemory && outermost {
			r.inside = append(r.inside, callers(m, part{shared: true})...)
			continue
		}
		r.field(f)
	}
}

func (r *reach) field(f reflect.Value) {
	switch f.Kind() {
	case reflect.Interface:
		if f.IsNil() || isNil(f.Interface()) {
			return
		}
		r.held(f)
	case reflect.Pointer, reflect.Struct:
		if ofLangchaingo(f) {
			f.Set(r.copyOf(f, false))
		}
	case reflect.Slice:
		if f.Type().Elem() == reflect.TypeFor[chains.Chain]() {
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
			for i := range f.Len() {
				r.field(f.Index(i))
			}
		}
	default:
	}
}

// held guards what an interface field holds.
func (r *reach) held(f reflect.Value) {
	switch in := f.Addr().Interface().(type) {
	case *llms.Model:
		r.sees(middleware.KindModel)
		*in = newModel(*in, r.model)
	case *chains.Chain:
		*in = r.chain(*in)
	case *schema.Retriever:
		r.sees(middleware.KindRetriever)
		r.inside = append(r.inside, callers(*in, part{retriever: true, shared: true})...)
		*in = newRetriever(*in, r.is)
	case *schema.OutputParser[any]:
		r.inside = append(r.inside, callers(*in, part{shared: true})...)
	case *schema.Memory:
		r.inside = append(r.inside, callers(*in, part{shared: true})...)
		if _, keepsNothing := (*in).(memory.Simple); !keepsNothing {
			*in = guardMemory(*in, r.is)
		}
	case *chains.HTTPRequest:
		if g, ok := (*in).(*requester); ok {
			r.sees(middleware.KindTool)
			r.tools = append(r.tools, g.name)
			*in = newRequester(g.name, g, r.tool)
		} else {
			r.inside = append(r.inside, caller(*in))
		}
	case *sqldatabase.Engine:
		if g, ok := (*in).(*engine); ok {
			r.sees(middleware.KindTool)
			r.tools = append(r.tools, g.name)
			*in = newEngine(g.name, g, r.tool)
		} else {
			r.inside = append(r.inside, caller(*in))
		}
	}
}

// agent guards an agent's turns, tools and model.
func (r *reach) agent(a agents.Agent) agents.Agent {
	outer := r.guards
	defer func() { r.guards = outer }()
	if g, ok := a.(*agent); ok {
		a, r.guards = g.Agent, outer.outsideOf(g.is)
	}
	r.sees(middleware.KindPlan, middleware.KindTool)
	if r.tools = append(r.tools, toolNames(a.GetTools())...); r.tools == nil {
		r.tools = []string{} // they are known
	}
	switch inner := a.(type) {
	case *agents.OneShotZeroAgent:
		c := *inner
		c.Chain = r.agentChain(a, c.Chain)
		a = &c
	case *agents.ConversationalAgent:
		c := *inner
		c.Chain = r.agentChain(a, c.Chain)
		a = &c
	case *agents.OpenAIFunctionsAgent:
		c := *inner
		r.sees(middleware.KindModel)
		c.LLM = newModel(mustHave(c.LLM), r.model)
		a = &c
	default:
		r.mustHoldGuardedModel(a, callersWithin(a, ownOf(a)))
	}
	return guardTurns(a, r.guards)
}

func mustHave(m llms.Model) llms.Model {
	if isNil(m) {
		panic("langchaingo: Executor: the agent has no model")
	}
	return m
}

// agentChain guards the model of an agent's chain.
func (r *reach) agentChain(a agents.Agent, c chains.Chain) chains.Chain {
	if isNil(c) {
		r.mustHoldGuardedModel(a, nil)
	}
	c, _ = withoutName(c) // the agent calls it in no name
	switch inner := c.(type) {
	case *chain:
		return newChain(r.agentChain(a, inner.inner), inner.is)
	case *handlerChain:
		return newChain(r.agentChain(a, inner.inner), inner.is)
	}
	if !ofLangchaingo(reflect.ValueOf(c)) {
		r.mustHoldGuardedModel(a, callers(c, ownOf(a)))
		return c
	}
	return r.chain(c)
}

// ownOf says that an agent's turns and tools are reached.
func ownOf(a agents.Agent) part { return part{agent: &own{a.GetTools()}} }

// mustHoldGuardedModel refuses an agent whose model cannot be reached, and is not among
// what was found in it with a guard of its own.
func (r *reach) mustHoldGuardedModel(a agents.Agent, found []middleware.Guarded) {
	model := slices.IndexFunc(found, func(g middleware.Guarded) bool { return g.Kind == middleware.KindModel })
	unguarded := slices.IndexFunc(found, func(g middleware.Guarded) bool {
		return g.Kind == middleware.KindModel && len(g.Interceptors) == 0
	})
	r.inside = append(r.inside, found...)
	switch {
	case model >= 0 && unguarded < 0:
	case !r.strict:
		r.inside = append(r.inside, middleware.Guarded{Kind: middleware.KindModel, Name: "of " + typeName(a)})
	case r.strict:
		which := ""
		if unguarded >= 0 {
			which = " (" + found[unguarded].Name + ")"
		}
		panic(fmt.Sprintf("langchaingo: Executor: cannot reach the model of the agent %T%s; "+
			"guard it where the agent is made, with langchaingo.Model(model, interceptors...)", a, which))
	}
}

func toolNames(ts []tools.Tool) []string {
	names := make([]string, 0, len(ts))
	for _, t := range ts {
		if !isNil(t) {
			names = append(names, t.Name())
		}
	}
	return names
}
