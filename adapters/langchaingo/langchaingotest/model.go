package langchaingotest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/llms"
)

// A Model is a model that follows a script, one [Answer] a request. Make one with
// [NewModel]. It is safe for concurrent use.
type Model struct {
	script

	inMu     sync.Mutex
	requests []Request
	calls    int // tool calls asked for so far, by which they are numbered
}

// A Request is what a [Model] was asked.
type Request struct {
	Messages []llms.MessageContent
	Options  llms.CallOptions
}

// NewModel returns a Model that gives these answers. At the end of the test tb fails
// if its script was not followed; tb may be nil, and then Left says what is left of it.
// A Model without answers must not be asked at all.
//
// NewModel panics if an answer follows one that is for [Answer.Always].
func NewModel(tb testing.TB, answers ...Answer) *Model {
	if tb != nil {
		tb.Helper()
	}
	m := new(Model)
	m.start(tb, "model", answers)
	return m
}

var _ llms.Model = (*Model)(nil)

// Left returns how many answers nobody has asked for.
func (m *Model) Left() int { return m.left() }

// Requests returns what the model was asked so far, in order.
func (m *Model) Requests() []Request {
	m.inMu.Lock()
	defer m.inMu.Unlock()
	return slices.Clone(m.requests)
}

// Call asks the model with a single prompt.
func (m *Model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent gives the next answer of the script.
func (m *Model) GenerateContent(
	ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption,
) (*llms.ContentResponse, error) {
	request := Request{Messages: slices.Clone(messages)}
	for _, o := range options {
		o(&request.Options)
	}
	m.inMu.Lock()
	m.requests = append(m.requests, request)
	answer, err := m.next(func() string { return "its last message is " + tail(request.Last()) })
	id := m.calls
	m.calls += len(answer.calls)
	m.inMu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := answer.pause(ctx); err != nil {
		return nil, err
	}
	if answer.err != nil {
		return nil, answer.err
	}
	calls := make([]llms.ToolCall, len(answer.calls))
	for i, f := range answer.calls {
		calls[i] = llms.ToolCall{ID: fmt.Sprintf("call_%d", id+i+1), Type: "function", FunctionCall: &f}
	}
	if err := answer.stream(ctx, &request.Options, calls); err != nil {
		return nil, err
	}
	if answer.isRaw {
		return answer.raw, nil
	}
	choice := &llms.ContentChoice{Content: answer.text(), StopReason: "stop", GenerationInfo: answer.usage}
	if len(calls) > 0 {
		choice.StopReason, choice.ToolCalls, choice.FuncCall = "tool_calls", calls, calls[0].FunctionCall
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, nil
}

// stream passes on what the caller wants to see while it comes.
func (a Answer) stream(ctx context.Context, opts *llms.CallOptions, calls []llms.ToolCall) error {
	if opts.StreamingFunc == nil && opts.StreamingReasoningFunc == nil {
		return nil
	}
	chunks := make([][]byte, 0, len(a.chunks)+len(calls))
	for _, text := range a.chunks {
		chunks = append(chunks, []byte(text))
	}
	if a.raw != nil && len(a.raw.Choices) > 0 && a.raw.Choices[0] != nil {
		chunks = append(chunks, []byte(a.raw.Choices[0].Content))
	}
	for _, c := range calls {
		chunks = append(chunks, delta(c))
	}
	for _, chunk := range chunks {
		if opts.StreamingFunc != nil {
			if err := opts.StreamingFunc(ctx, chunk); err != nil {
				return err
			}
		}
		if opts.StreamingReasoningFunc != nil {
			if err := opts.StreamingReasoningFunc(ctx, nil, chunk); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// delta is a tool call as langchaingo's client of openai streams it.
func delta(c llms.ToolCall) []byte {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	b, err := json.Marshal([]struct {
		ID       string   `json:"id,omitempty"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{{c.ID, c.Type, function{c.FunctionCall.Name, c.FunctionCall.Arguments}}})
	if err != nil {
		panic("langchaingotest: " + err.Error()) // of strings
	}
	return b
}

// Last returns the text of the last message: what was asked last, or what a tool
// answered. It is empty where there is no text.
func (r Request) Last() string {
	if len(r.Messages) == 0 {
		return ""
	}
	text := ""
	for _, p := range r.Messages[len(r.Messages)-1].Parts {
		switch p := p.(type) {
		case llms.TextContent:
			text += p.Text
		case llms.ToolCallResponse:
			text += p.Content
		}
	}
	return text
}
