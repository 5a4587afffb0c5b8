package unguarded

import (
	"go/types"
	"regexp"
	"strings"
)

// What the analyzer knows by its import path.
const (
	ours       = "example.com/safeconduct"
	adapters   = ours + "/adapters/"
	adapter    = adapters + "langchaingo"
	middleware = ours + "/middleware"
	framework  = "github.com/tmc/langchaingo"
)

// A kind is what can be guarded, or a set of it.
type kind int

const (
	aModel kind = 1 << iota
	aTool
	aRetriever
	aChain
	anAgent

	anything = aModel | aTool | aRetriever | aChain | anAgent
)

// String returns what messages call one of the kind.
func (k kind) String() string {
	switch k {
	case aModel:
		return "model"
	case aTool:
		return "tool"
	case aRetriever:
		return "retriever"
	case aChain:
		return "chain"
	case anAgent:
		return "agent"
	}
	return "value"
}

// remedy says what to do about an unguarded one.
func (k kind) remedy() string {
	switch k {
	case aModel:
		return "wrap it with langchaingo.Model"
	case aTool:
		return "wrap it with langchaingo.Tool or Tools"
	case aRetriever:
		return "wrap it with langchaingo.Retriever"
	case aChain:
		return "wrap it with langchaingo.Executor or Chain"
	default:
		return "wrap it with langchaingo.Agent, or its executor with langchaingo.Executor"
	}
}

// parts returns the kinds that one of this kind is as guarded as. What a tool calls
// does not guard the tool; a chain calls nothing but what it is made of.
func (k kind) parts() kind {
	if k&(aChain|anAgent) != 0 {
		return anything
	}
	return k
}

// A method is one of langchaingo's interfaces that reaches what gates judge.
type method struct {
	pkg, iface, name string
	kind             kind
	exact            bool // only types that have the whole interface: the signature is anybody's
}

func methods() []method {
	return []method{
		{framework + "/llms", "Model", "GenerateContent", aModel, false},
		{framework + "/llms", "Model", "Call", aModel, false},
		{framework + "/tools", "Tool", "Call", aTool, true},
		{framework + "/schema", "Retriever", "GetRelevantDocuments", aRetriever, false},
		{framework + "/vectorstores", "VectorStore", "SimilaritySearch", aRetriever, false},
		{framework + "/chains", "Chain", "Call", aChain, false},
		{framework + "/agents", "Agent", "Plan", anAgent, false},
	}
}

// callsItsArgument reports whether a func of langchaingo calls what it is given. All
// its others keep it, and what they return is as guarded as that.
func callsItsArgument(f *types.Func) bool {
	switch f.FullName() {
	case framework + "/llms.GenerateFromSinglePrompt",
		framework + "/chains.Call", framework + "/chains.Run", framework + "/chains.Predict", framework + "/chains.Apply":
		return true
	}
	return false
}

// isGuard reports whether a func returns what interceptors guard.
func isGuard(f *types.Func) bool {
	if f.Pkg() == nil || f.Signature().Recv() != nil {
		return false
	}
	if f.Pkg().Path() != adapter {
		return strings.HasPrefix(f.Pkg().Path(), adapters)
	}
	switch f.Name() {
	case "Model", "Tool", "Tools", "Retriever", "Chain", "Executor", "Agent":
		return true
	}
	return false
}

// isNeutral reports whether a func returns a chain that calls nothing but what the
// program itself gave it as a func, which is looked at where it stands.
func isNeutral(f *types.Func) bool { return f.FullName() == framework+"/chains.NewTransform" }

// A client is a type of a provider's own client that sends requests.
type client struct {
	pkg, typ string   // the import path without its major version
	methods  []string // that send one
	kind     kind
}

func clients() []client {
	const (
		openai    = "github.com/openai/openai-go"
		anthropic = "github.com/anthropics/anthropic-sdk-go"
		mcp       = "github.com/modelcontextprotocol/go-sdk/mcp"
	)
	return []client{
		{openai, "ChatCompletionService", []string{"New", "NewStreaming"}, aModel},
		{openai, "CompletionService", []string{"New", "NewStreaming"}, aModel},
		{openai + "/responses", "ResponseService", []string{"New", "NewStreaming"}, aModel},
		{anthropic, "MessageService", []string{"New", "NewStreaming"}, aModel},
		{anthropic, "BetaMessageService", []string{"New", "NewStreaming"}, aModel},
		{anthropic, "CompletionService", []string{"New", "NewStreaming"}, aModel},
		{"google.golang.org/genai", "Models", []string{"GenerateContent", "GenerateContentStream"}, aModel},
		{"google.golang.org/genai", "Chat", []string{"Send", "SendStream", "SendMessage", "SendMessageStream"}, aModel},
		{mcp, "ClientSession", []string{"CallTool"}, aTool},
		{"github.com/mark3labs/mcp-go/client", "Client", []string{"CallTool"}, aTool},
	}
}

// isClient reports whether the package has clients that are known.
func isClient(path string) bool {
	for _, c := range clients() {
		if c.pkg == unversioned(path) {
			return true
		}
	}
	return false
}

// sends returns the kind of request that a method of a client sends, or 0.
func sends(f *types.Func) kind {
	recv := f.Signature().Recv()
	if recv == nil || f.Pkg() == nil {
		return 0
	}
	named := namedOf(recv.Type())
	if named == nil {
		return 0
	}
	for _, c := range clients() {
		if c.pkg != unversioned(f.Pkg().Path()) || c.typ != named.Obj().Name() {
			continue
		}
		for _, m := range c.methods {
			if m == f.Name() {
				return c.kind
			}
		}
	}
	return 0
}

// unversioned returns an import path without the major version in it.
func unversioned(path string) string {
	return regexp.MustCompile(`/v[0-9]+(/|$)`).ReplaceAllString(path, "$1")
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func namedOf(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, _ := types.Unalias(t).(*types.Named)
	return n
}

// kinds says of types what they are.
type kinds struct {
	wanted []wanted
	known  map[types.Type]kind
}

// A wanted is a method of an interface that this package can see.
type wanted struct {
	method
	iface *types.Interface
	sig   *types.Signature
}

// newKinds looks for langchaingo's interfaces among all that the package imports.
func newKinds(pkg *types.Package) *kinds {
	k := &kinds{known: make(map[types.Type]kind)}
	paths := make(map[string]*types.Package)
	var walk func(p *types.Package)
	walk = func(p *types.Package) {
		if paths[p.Path()] == nil {
			paths[p.Path()] = p
			for _, imp := range p.Imports() {
				walk(imp)
			}
		}
	}
	walk(pkg)
	for _, m := range methods() {
		p := paths[m.pkg]
		if p == nil {
			continue
		}
		t, ok := p.Scope().Lookup(m.iface).(*types.TypeName)
		if !ok {
			continue
		}
		iface, ok := t.Type().Underlying().(*types.Interface)
		if !ok {
			continue
		}
		if f, _, _ := types.LookupFieldOrMethod(iface, false, nil, m.name); f != nil {
			k.wanted = append(k.wanted, wanted{m, iface, f.(*types.Func).Signature()})
		}
	}
	return k
}

// of returns what a type is, or what it points to, lists or has in its fields.
func (k *kinds) of(t types.Type) kind {
	got, ok := k.known[t]
	if !ok {
		got = k.look(t, make(map[types.Type]bool))
		k.known[t] = got
	}
	return got
}

func (k *kinds) look(t types.Type, seen map[types.Type]bool) kind {
	if seen[t] {
		return 0
	}
	seen[t] = true
	var got kind
	for _, w := range k.wanted {
		got |= k.with(t, w.name)
	}
	if got != 0 {
		return got
	}
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return k.look(u.Elem(), seen)
	case *types.Array:
		return k.look(u.Elem(), seen)
	case *types.Map:
		return k.look(u.Elem(), seen)
	case *types.Chan:
		return k.look(u.Elem(), seen)
	case *types.Pointer:
		return k.look(u.Elem(), seen)
	case *types.Struct:
		for f := range u.Fields() {
			got |= k.look(f.Type(), seen)
		}
	}
	return got
}

// with returns what a type is by its method of the name.
func (k *kinds) with(t types.Type, name string) kind {
	var got kind
	for _, w := range k.wanted {
		if w.name != name {
			continue
		}
		f, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if m, ok := f.(*types.Func); ok && types.Identical(m.Signature(), w.sig) &&
			(!w.exact || types.Implements(t, w.iface) || types.Implements(types.NewPointer(t), w.iface)) {
			got |= w.kind
		}
	}
	return got
}
