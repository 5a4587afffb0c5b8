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

// A method is one of langchaingo's that reaches what gates judge. It is known by its
// signature, as a package that uses a type need not see the interface.
type method struct {
	name, signature string
	kind            kind
}

func methods() []method {
	return []method{
		{"GenerateContent", "context.Context, []llms.MessageContent, ...llms.CallOption -> *llms.ContentResponse, error", aModel},
		{"Call", "context.Context, string, ...llms.CallOption -> string, error", aModel},
		{"Call", tools, aTool},
		{"GetRelevantDocuments", "context.Context, string -> []schema.Document, error", aRetriever},
		{"SimilaritySearch", "context.Context, string, int, ...vectorstores.Option -> []schema.Document, error", aRetriever},
		{"Call", "context.Context, map[string]any, ...chains.ChainCallOption -> map[string]any, error", aChain},
		{"Plan", "context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption -> " +
			"[]schema.AgentAction, *schema.AgentFinish, error", anAgent},
	}
}

// tools is the signature of a tool's Call, which is anybody's: what has it is a tool
// if it has a Name and a Description too.
const tools = "context.Context, string -> string, error"

// signature writes a signature without the names of its parameters, and with
// langchaingo's packages as methods does.
func signature(s *types.Signature) string {
	var b strings.Builder
	list := func(vars *types.Tuple, variadic bool) {
		for i := range vars.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			text := types.TypeString(vars.At(i).Type(), func(p *types.Package) string {
				if name, ok := strings.CutPrefix(p.Path(), framework+"/"); ok {
					return name
				}
				return p.Path()
			})
			if variadic && i == vars.Len()-1 {
				text = "..." + strings.TrimPrefix(text, "[]")
			}
			b.WriteString(strings.ReplaceAll(text, "interface{}", "any"))
		}
	}
	list(s.Params(), s.Variadic())
	b.WriteString(" -> ")
	list(s.Results(), false)
	return b.String()
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
	if f.Pkg() == nil || f.Pkg().Path() != adapter || f.Signature().Recv() != nil {
		return false
	}
	switch f.Name() {
	case "Model", "Tool", "Tools", "Retriever", "Chain", "Executor", "Agent":
		return true
	}
	return false
}

// isOption reports whether a func may return an option that guards a client: it is
// one of an adapter's own package, and not of a kit for tests.
func isOption(f *types.Func) bool {
	if f.Pkg() == nil {
		return false
	}
	name, ok := strings.CutPrefix(f.Pkg().Path(), adapters)
	return ok && !strings.Contains(name, "/") && !strings.HasSuffix(name, "test")
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
type kinds map[types.Type]kind

// of returns what a type is, or what it points to, lists or has in its fields.
func (k kinds) of(t types.Type) kind {
	got, ok := k[t]
	if !ok {
		got = k.look(t, make(map[types.Type]bool))
		k[t] = got
	}
	return got
}

func (k kinds) look(t types.Type, seen map[types.Type]bool) kind {
	if seen[t] {
		return 0
	}
	seen[t] = true
	var got kind
	for _, m := range methods() {
		got |= with(t, m.name)
	}
	if got != 0 {
		return got
	}
	switch u := t.Underlying().(type) {
	case interface{ Elem() types.Type }: // a pointer, slice, array, map or channel
		return k.look(u.Elem(), seen)
	case *types.Struct:
		for f := range u.Fields() {
			got |= k.look(f.Type(), seen)
		}
	}
	return got
}

// with returns what a type is by its method of the name.
func with(t types.Type, name string) kind {
	text := methodOf(t, name)
	for _, m := range methods() {
		if m.name == name && m.signature == text {
			if text == tools && (methodOf(t, "Name") != " -> string" || methodOf(t, "Description") != " -> string") {
				return 0
			}
			return m.kind
		}
	}
	return 0
}

// methodOf returns the signature of a type's method, or nothing.
func methodOf(t types.Type, name string) string {
	f, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	if m, ok := f.(*types.Func); ok {
		return signature(m.Signature())
	}
	return ""
}
