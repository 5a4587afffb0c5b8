package middleware

// A ModelRequest is the Input of a [KindModel] call: the state before
// inference. To change it, pass on a changed copy.
type ModelRequest struct {
	Messages []Message
	Tools    []string // names of the tools offered to the model, in order

	// The parameters of the request. Zero means that the caller did not set
	// it and the provider's default holds.
	Model       string // the model asked for
	MaxTokens   int    // bound on the output
	Temperature float64
	TopP        float64
	Candidates  int // answers asked for
	Stop        []string
	JSON        bool // JSON mode
}

// A Message is one entry of a conversation.
type Message struct {
	Role  string // "system", "human", "ai", "tool", or as the framework says
	Parts []Part
}

// A Part is one piece of a [Message].
type Part struct {
	// Text is the part as text: what was said, the arguments of a tool call,
	// a tool's answer, an image's URL. It is empty for binary content.
	Text string

	// Size is the content's length in bytes.
	Size int

	// Media says that a model gets the part as an image, sound or a file, by
	// its URL in Text or without any, and not as text to read. Only the adapter
	// can know: what Text looks like is up to whoever wrote it. Zero means text.
	Media bool

	// Native is the framework's own value, opaque here. A Part without it is
	// plain text. An interceptor that changes Text keeps Native: the adapter
	// puts the new text in its place.
	Native any
}

// A ModelResponse is the Output of a [KindModel] call.
type ModelResponse struct {
	Model   string // the model that answered; empty where the client does not say
	Choices []Choice
}

// A Choice is one candidate of a [ModelResponse].
type Choice struct {
	Text       string
	Reasoning  string
	StopReason string // as the provider spells it; empty where it gave none
	ToolCalls  []ToolCall
}

// A ToolCall is one tool invocation that a model asks for.
type ToolCall struct {
	ID    string // the provider's; empty where it has none
	Name  string // as the model spelled it
	Input string // the arguments

	// Registered is the name of the registered tool that the framework would
	// run for Name, which may differ from it in case. It is empty where there
	// is none: the model made the tool up, or the adapter cannot know.
	Registered string
}

// A PlanRequest is the Input of a [KindPlan] call.
type PlanRequest struct {
	Inputs map[string]string
	Steps  []Step // the turns so far
}

// A Step is one tool call of an earlier turn and what came of it.
type Step struct {
	ToolCall    ToolCall
	Observation string
}

// A Plan is the Output of a [KindPlan] call: either the tool calls that the
// model asks for, to be judged as one batch, or the final answer.
type Plan struct {
	ToolCalls []ToolCall
	Final     map[string]any // nil while the agent goes on
}

// A Document is one of those that a [KindRetriever] call found. To leave one out, or to
// change it, pass on a changed copy of the slice, and of the Metadata.
type Document struct {
	Text     string
	Metadata map[string]any // such as where it comes from, as its store keeps it
	Score    float32        // how well it fits; zero where the store does not say
}

// An Observation is text handed back to the model in place of an Output.
// [Tell] makes it out of a denial; an adapter turns it into what its framework
// shows to the model.
type Observation string
