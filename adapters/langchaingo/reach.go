package langchaingo

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
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
	inside []middleware.Interceptor // of what is guarded where nothing else can reach it
	beyond []string                 // the types of models that cannot be reached
	unread []string                 // and those of retrievers

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
		Instead: "Guard models, tools and retrievers that are not in a chain of langchaingo's " +
			"where it is made, with langchaingo.Model, Tool, Retriever, Engine or Requester",
	}.Check(is...)
	for _, l := range middleware.Layers(is...) {
		switch {
		case !l.Gate:
		case len(r.beyond) > 0 && slices.Contains(l.Kinds, middleware.KindModel):
			panic(fmt.Sprintf("langchaingo: %s(%s): the gate %s is for models, and cannot reach the model %s: "+
				"guard it where the chain is made, with langchaingo.Model(model, interceptors...)", who, typeName(of), l.Name, r.beyond[0]))
		case len(r.unread) > 0 && slices.Equal(l.Kinds, []middleware.Kind{middleware.KindRetriever}):
			panic(fmt.Sprintf("langchaingo: %s(%s): the gate %s is for retrievals, and cannot reach the retriever %s: guard it "+
				"where the chain is made, with langchaingo.Retriever(retriever, interceptors...)", who, typeName(of), l.Name, r.unread[0]))
		}
	}
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
		r.foreign(c)
		return c
	}
	return r.copyOf(v, true).Interface().(chains.Chain) //nolint:forcetypeassert // a copy
}

// executor guards an executor's agent, with its tools and model.
func (r *reach) executor(e *agents.Executor) *agents.Executor {
	if isNil(e.Agent) {
		return e
	}
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
		return newChainSaving(r.outermost(inner.inner), inner.is, middleware.Merge(middleware.KindChain, r.is, inner.saves))
	case *handlerChain:
		return newChainSaving(r.outermost(inner.inner), inner.is, middleware.Merge(middleware.KindChain, r.is, inner.saves))
	case *agents.Executor:
		if isNil(inner) || isNil(inner.Agent) {
			return c
		}
		return newChain(r.executor(inner), r.is) // each has its own turns
	}
	v := reflect.ValueOf(c)
	if !ofLangchaingo(v) {
		r.foreign(c)
		return c
	}
	return r.copyOf(v, false).Interface().(chains.Chain) //nolint:forcetypeassert // a copy
}

// foreign notes what of a chain that is not langchaingo's own is guarded already.
func (r *reach) foreign(c any) {
	m := models{seen: make(map[visited]int)}
	m.find(reflect.ValueOf(c), 8)
	r.inside = append(r.inside, m.inside...)
	if m.unguarded != "" {
		r.beyond = append(r.beyond, m.unguarded)
	}
	if m.retriever != "" {
		r.unread = append(r.unread, m.retriever)
	}
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
		if _, isMemory := f.Interface().(schema.Memory); isMemory && outermost {
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
		*in = newRetriever(*in, r.is)
	case *schema.Memory:
		if _, keepsNothing := (*in).(memory.Simple); !keepsNothing {
			*in = guardMemory(*in, r.is)
		}
	case *chains.HTTPRequest:
		if g, ok := (*in).(*requester); ok {
			r.sees(middleware.KindTool)
			r.tools = append(r.tools, g.name)
			*in = newRequester(g.name, g, r.tool)
		}
	case *sqldatabase.Engine:
		if g, ok := (*in).(*engine); ok {
			r.sees(middleware.KindTool)
			r.tools = append(r.tools, g.name)
			*in = newEngine(g.name, g, r.tool)
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
	r.tools = append(r.tools, toolNames(a.GetTools())...)
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
		r.mustHoldGuardedModel(a, a)
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
		r.mustHoldGuardedModel(a, c)
		return c
	}
	return r.chain(c)
}

func (r *reach) mustHoldGuardedModel(a agents.Agent, holder any) {
	m := models{seen: make(map[visited]int)}
	m.find(reflect.ValueOf(holder), 8)
	if m.guarded && m.unguarded == "" {
		r.inside = append(r.inside, m.inside...)
		return
	}
	if !r.strict {
		r.beyond = append(r.beyond, cmp.Or(m.unguarded, "of "+typeName(a)))
		return
	}
	unguarded := m.unguarded
	if unguarded != "" {
		unguarded = " (" + unguarded + ")"
	}
	panic(fmt.Sprintf("langchaingo: Executor: cannot reach the model of the agent %T%s; "+
		"guard it where the agent is made, with langchaingo.Model(model, interceptors...)", a, unguarded))
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

// models are those that an agent or a chain has.
type models struct {
	guarded   bool
	inside    []middleware.Interceptor // around those that are guarded
	unguarded string                   // the type of one that is not
	retriever string                   // and that of a retriever that is not
	seen      map[visited]int          // and how many levels were looked at from there
}

type visited struct {
	t reflect.Type
	p uintptr
}

// find looks for models in the fields of v, and in what they point to, a few levels
// deep. The models of tools are not the agent's.
func (m *models) find(v reflect.Value, levels int) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || levels == 0 || v.Kind() == reflect.Pointer && v.IsNil() || v.Type().Implements(reflect.TypeFor[tools.Tool]()) {
		return
	}
	modelType, retrieverType := reflect.TypeFor[llms.Model](), reflect.TypeFor[schema.Retriever]()
	switch {
	case v.Type() == reflect.TypeFor[*cache.Cacher](), v.Type() == reflect.TypeFor[cache.Cacher]():
		// Of a cache, what counts is the model that it asks.
	case v.Type().Implements(reflect.TypeFor[namedThing]()), reflect.PointerTo(v.Type()).Implements(reflect.TypeFor[namedThing]()):
		// And of a name the model that has it.
	case v.Type().Implements(reflect.TypeFor[guardedModel]()):
		m.guarded = true
		m.inside = append(m.inside, guardOf(v).is...)
		return
	case v.Type() == reflect.TypeFor[*chain]():
		g := (*chain)(v.UnsafePointer())
		m.inside = append(m.inside, g.is...)
		m.find(reflect.ValueOf(g.inner), levels) // and not what that was copied of
		return
	case reflect.PointerTo(v.Type()).Implements(modelType) || v.Type().Implements(modelType):
		m.unguarded = v.Type().String()
		return
	case v.Type() == reflect.TypeFor[*retriever]():
		m.inside = append(m.inside, (*retriever)(v.UnsafePointer()).is...)
		defer func(was string) { m.retriever = was }(m.retriever) // what is in it is guarded by it
	case reflect.PointerTo(v.Type()).Implements(retrieverType) || v.Type().Implements(retrieverType):
		m.retriever = cmp.Or(m.retriever, v.Type().String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		if at := (visited{v.Type(), v.Pointer()}); m.seen[at] < levels {
			m.seen[at] = levels
			m.find(v.Elem(), levels)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			m.find(v.Field(i), levels-1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			m.find(v.Index(i), levels-1)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			m.find(v.MapIndex(k), levels-1)
		}
	}
}

// guardOf returns the guard of a guarded model, also of one in a field that is not
// exported.
func guardOf(v reflect.Value) *model {
	if v.Type() != reflect.TypeFor[*model]() {
		v = v.Elem().FieldByName("model") // that embed it
	}
	return (*model)(v.UnsafePointer())
}
