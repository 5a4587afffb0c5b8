package langchaingotest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tmc/langchaingo/llms"
)

// An Answer is what a [Model] or a [Tool] gives to one request. Its methods return a
// changed copy. The zero Answer says nothing.
type Answer struct {
	chunks   []string
	calls    []llms.FunctionCall
	raw      *llms.ContentResponse
	isRaw    bool
	err      error
	usage    map[string]any
	wait     time.Duration
	always   bool
	whatItIs string // "a tool call", where only a model can give it
}

// Say answers with text. It arrives chunk by chunk where the caller asked for a
// stream, and is one text elsewhere.
func Say(chunks ...string) Answer { return Answer{chunks: slices.Clone(chunks)} }

// Finish gives the final answer of a ReAct agent, one of agents.NewOneShotAgent. That
// of agents.NewConversationalAgent is Say("AI: ...").
func Finish(text string) Answer { return Say("Final Answer: " + text) }

// Act asks a ReAct agent for a tool, in the text that it looks for. It panics if there
// is no tool, or no input, or the tool's name has a line break.
func Act(tool, input string) Answer {
	if tool == "" || strings.ContainsAny(tool, "\r\n") || strings.TrimSpace(input) == "" {
		panic(fmt.Sprintf("langchaingotest: Act(%q, %q): a ReAct agent reads the tool from one line, and an input that is not empty",
			tool, input))
	}
	return Say("Action: " + tool + "\nAction Input: " + input)
}

// Call asks for a tool with a tool call of the provider's, as the functions agent of
// langchaingo wants it. Arguments that are no JSON object are sent as the one text
// that this agent declares for every tool: {"__arg1": "..."}. Call panics if there is
// no tool.
func Call(tool, arguments string) Answer { return Answer{whatItIs: "a tool call"}.And(tool, arguments) }

// And asks for one more tool in the same turn. It panics if the answer is not one of
// [Call] or [Say].
func (a Answer) And(tool, arguments string) Answer {
	if a.err != nil || a.isRaw {
		panic("langchaingotest: And: tool calls follow Call or Say")
	}
	if tool == "" {
		panic("langchaingotest: Call: no tool")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(arguments), &object) != nil || object == nil {
		arguments = oneArgument(arguments)
	}
	a.whatItIs = "a tool call"
	a.calls = append(slices.Clone(a.calls), llms.FunctionCall{Name: tool, Arguments: arguments})
	return a
}

func oneArgument(text string) string {
	b, err := json.Marshal(map[string]string{"__arg1": text})
	if err != nil {
		panic("langchaingotest: " + err.Error()) // of a map of strings
	}
	return string(b)
}

// Fail answers with an error. It panics if err is nil.
func Fail(err error) Answer {
	if err == nil {
		panic("langchaingotest: Fail: nil error")
	}
	return Answer{err: err}
}

// Respond answers with this very response, which may be nil or odd, as that of a
// client that is broken. It is for what the other answers cannot say.
func Respond(res *llms.ContentResponse) Answer {
	return Answer{raw: res, isRaw: true, whatItIs: "a response"}
}

// Using reports how many tokens the answer took, as langchaingo's client of openai
// does. Without it no usage is reported, and a budget charges its own estimate. Using
// panics if a count is negative, and after [Fail] and [Respond].
func (a Answer) Using(input, output int) Answer {
	if input < 0 || output < 0 {
		panic(fmt.Sprintf("langchaingotest: Using(%d, %d): negative", input, output))
	}
	if a.err != nil || a.isRaw {
		panic("langchaingotest: Using: follows an answer of Say, Call, Act or Finish")
	}
	a.usage = map[string]any{"PromptTokens": input, "CompletionTokens": output, "TotalTokens": input + output}
	a.whatItIs = "an answer with usage"
	return a
}

// After lets that much time pass before the answer, or before its first chunk. If the
// context ends first, its error is the answer. After panics if d is negative.
func (a Answer) After(d time.Duration) Answer {
	if d < 0 {
		panic(fmt.Sprintf("langchaingotest: After(%v): negative", d))
	}
	a.wait = d
	return a
}

// Always gives the answer to every request from here on. It is the last of its script,
// and need not be asked for.
func (a Answer) Always() Answer {
	a.always = true
	return a
}

// text is all of what is said.
func (a Answer) text() string { return strings.Join(a.chunks, "") }
