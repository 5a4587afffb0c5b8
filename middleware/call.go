package middleware

import (
	"math"
	"strconv"
)

// A Kind says what a [Call] does. The zero Kind is no kind: [Wrap] refuses it.
type Kind uint8

// The kinds of calls, with the types of their Input and Output.
const (
	// KindChain is one chain run, or the saving of one to memory.
	// Input and Output are map[string]any.
	KindChain Kind = 1 + iota
	// KindPlan is one turn of an agent: Input is a *[PlanRequest], Output a
	// *[Plan], the batch of tool calls that the model asks for.
	KindPlan
	// KindModel is one request to a model: Input is a *[ModelRequest], Output
	// a *[ModelResponse].
	KindModel
	// KindTool is one tool invocation: Input is the arguments as a string,
	// Output what the tool said, a string.
	KindTool
	// KindRetriever is one retrieval: Input is the query, a string, Output the
	// documents that were found, a slice of [Document].
	KindRetriever
)

// String returns "chain", "plan", "model", "tool" or "retriever".
func (k Kind) String() string {
	switch k {
	case KindChain:
		return "chain"
	case KindPlan:
		return "plan"
	case KindModel:
		return "model"
	case KindTool:
		return "tool"
	case KindRetriever:
		return "retriever"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// known reports whether k is one of the kinds.
func (k Kind) known() bool { return k >= KindChain && k <= KindRetriever }

// A CallID numbers a [Call] within its [Run], from 1. Zero is no call.
type CallID uint32

// String returns the ID in decimal.
func (id CallID) String() string { return strconv.FormatUint(uint64(id), 10) }

// A Call is one chain run, agent plan, model request, tool invocation or
// retrieval. It is passed by value: an [Interceptor] that wants the next one to
// see something else passes on a changed copy.
type Call struct {
	// ID and Parent place the call within its Run. Wrap sets both; Parent is
	// zero for the root call of a Run.
	ID, Parent CallID

	Kind Kind

	// Name is the tool, chain or model as it was registered, never as a model
	// spelled it.
	Name string

	// Input depends on Kind. Replace it, never modify it in place: the caller
	// still holds it.
	Input any

	// Stream receives the output as it arrives, where the caller asked for a
	// stream; nil otherwise. An Interceptor may replace a Stream but must not
	// set one that was nil: that would change the request to the model.
	Stream Stream
}

// A Result is what a [Handler] returns.
type Result struct {
	// Output depends on the Call's Kind. It is nil where an error came back.
	// Replace it, never modify it in place: others may hold it.
	// It may also be an Observation: a denial turned into text by Tell.
	Output any

	// Usage is what the call spent, whether it succeeded or not; nil where
	// it spends nothing that is metered, as a tool does.
	Usage *Usage
}

// A Usage is what one call spent at a model's provider. A Usage that a Result
// points to is shared and must not be modified.
type Usage struct {
	InputTokens      int64 // the whole prompt, cached or not, as the provider counts it
	OutputTokens     int64
	TotalTokens      int64 // as the provider says; may exceed input plus output
	CachedTokens     int64 // of the input, read from the provider's cache
	CacheWriteTokens int64 // of the input, written to the provider's cache, where it says so
	ReasoningTokens  int64
	Cost             int64 // micro-dollars; zero where no price is known

	// Reported is true where the numbers are the provider's own. Where it is
	// false they are not known, and a budget charges its own estimate.
	Reported bool
}

// Tokens returns the tokens to charge: the total that the provider gave, or
// input plus output where that is more. It is never negative, and at most
// math.MaxInt64.
func (u *Usage) Tokens() int64 {
	if u == nil {
		return 0
	}
	in, out := max(u.InputTokens, 0), max(u.OutputTokens, 0)
	if in > math.MaxInt64-out {
		return math.MaxInt64
	}
	return max(u.TotalTokens, in+out)
}
