package langchaingo

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// neutralRequest returns what the model is asked, free of langchaingo's types.
func neutralRequest(messages []llms.MessageContent, opts *llms.CallOptions) *middleware.ModelRequest {
	req := &middleware.ModelRequest{
		Messages:    make([]middleware.Message, len(messages)),
		Model:       opts.Model,
		MaxTokens:   opts.MaxTokens,
		Temperature: opts.Temperature,
		TopP:        opts.TopP,
		Candidates:  max(opts.CandidateCount, opts.N),
		Stop:        slices.Clone(opts.StopWords),
		JSON:        opts.JSONMode,
	}
	for i, m := range messages {
		parts := make([]middleware.Part, len(m.Parts))
		for k, p := range m.Parts {
			parts[k] = neutralPart(p)
		}
		req.Messages[i] = middleware.Message{Role: string(m.Role), Parts: parts}
	}
	for _, t := range opts.Tools {
		req.Tools = append(req.Tools, toolName(t))
	}
	for _, f := range opts.Functions {
		req.Tools = append(req.Tools, f.Name)
	}
	return req
}

func toolName(t llms.Tool) string {
	if t.Function != nil {
		return t.Function.Name
	}
	return t.Type
}

func neutralPart(p llms.ContentPart) middleware.Part {
	p = dereference(p)
	switch p := p.(type) {
	case llms.TextContent:
		return middleware.Part{Text: p.Text, Size: len(p.Text)}
	case llms.BinaryContent:
		return middleware.Part{Size: len(p.Data), Media: !strings.HasPrefix(p.MIMEType, "text/"), Native: p}
	case llms.CachedContent:
		cached := neutralPart(p.ContentPart)
		cached.Native = p
		return cached
	}
	text := partText(p)
	_, image := p.(llms.ImageURLContent)
	return middleware.Part{Text: text, Size: len(text), Media: image, Native: p}
}

// dereference returns what a part points to: a pointer to a part is a part as well.
func dereference(p llms.ContentPart) llms.ContentPart {
	if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer && !v.IsNil() {
		if to, ok := v.Elem().Interface().(llms.ContentPart); ok {
			return to
		}
	}
	return p
}

// partText returns the text of a part that may also hold something else.
func partText(p llms.ContentPart) string {
	switch p := dereference(p).(type) {
	case llms.TextContent:
		return p.Text
	case llms.CachedContent:
		return partText(p.ContentPart)
	case llms.ImageURLContent:
		return p.URL
	case llms.ToolCall:
		if p.FunctionCall != nil {
			return p.FunctionCall.Arguments
		}
	case llms.ToolCallResponse:
		return p.Content
	}
	return ""
}

// isUnchanged reports whether req is still, by value, what the caller asks for.
func (f *modelCall) isUnchanged(req *middleware.ModelRequest) bool {
	o := f.opts
	if len(req.Messages) != len(f.messages) || !sameParameters(req, f.opts) ||
		req.Model != o.Model || req.MaxTokens != o.MaxTokens || req.Temperature != o.Temperature || req.TopP != o.TopP ||
		!slices.Equal(req.Stop, o.StopWords) || !sameTools(req.Tools, o) {
		return false
	}
	for i, m := range req.Messages {
		if !sameMessage(m, f.messages[i]) {
			return false
		}
	}
	return true
}

// changedRequest returns the messages and the options that ask for what req says.
// Messages that no interceptor touched are the caller's own. The error says that no
// such request can be made: what was judged is what is asked, or nothing.
func (f *modelCall) changedRequest(req *middleware.ModelRequest) ([]llms.MessageContent, []llms.CallOption, error) {
	messages := make([]llms.MessageContent, len(req.Messages))
	for i, m := range req.Messages {
		if i < len(f.messages) && sameMessage(m, f.messages[i]) {
			messages[i] = f.messages[i]
			continue
		}
		parts := make([]llms.ContentPart, len(m.Parts))
		for k, p := range m.Parts {
			parts[k] = nativePart(p)
			if partText(parts[k]) != p.Text {
				return nil, nil, errors.New("langchaingo: an interceptor put text into a part of a message that has none")
			}
		}
		messages[i] = llms.MessageContent{Role: llms.ChatMessageType(m.Role), Parts: parts}
	}
	options := changedOptions(f, req)
	opts := *f.opts
	for _, o := range options {
		o(&opts)
	}
	sent := neutralRequest(nil, &opts).Tools
	missing := func(name string) bool { return !slices.Contains(sent, name) }
	if !sameParameters(req, f.opts) || slices.ContainsFunc(req.Tools, missing) {
		return nil, nil, errors.New("langchaingo: an interceptor changed what it cannot change of a request: " +
			"Candidates, JSON, or Tools to more")
	}
	return messages, options, nil
}

// sameParameters reports whether req still has the parameters that no interceptor can
// change.
func sameParameters(req *middleware.ModelRequest, o *llms.CallOptions) bool {
	return req.Candidates == max(o.CandidateCount, o.N) && req.JSON == o.JSONMode
}

// sameTools reports whether names are those of the tools that o offers.
func sameTools(names []string, o *llms.CallOptions) bool {
	if len(names) != len(o.Tools)+len(o.Functions) {
		return false
	}
	for i, t := range o.Tools {
		if names[i] != toolName(t) {
			return false
		}
	}
	for i, f := range o.Functions {
		if names[len(o.Tools)+i] != f.Name {
			return false
		}
	}
	return true
}

func sameMessage(m middleware.Message, native llms.MessageContent) bool {
	if m.Role != string(native.Role) || len(m.Parts) != len(native.Parts) {
		return false
	}
	for k, p := range m.Parts {
		was := neutralPart(native.Parts[k])
		if p.Text != was.Text || p.Size != was.Size || !sameNative(p.Native, was.Native) {
			return false
		}
	}
	return true
}

// sameNative reports whether a and b are one value of the framework's, of which the
// bytes of binary content are not looked at.
func sameNative(a, b any) (same bool) {
	defer func() {
		if recover() != nil {
			same = true // of one type that cannot be compared
		}
	}()
	return a == b
}

// nativePart puts p's text in the place of the text in p's native value.
func nativePart(p middleware.Part) llms.ContentPart {
	switch n := p.Native.(type) {
	case llms.CachedContent:
		n.ContentPart = nativePart(middleware.Part{Text: p.Text, Native: neutralPart(n.ContentPart).Native})
		return n
	case llms.ImageURLContent:
		n.URL = p.Text
		return n
	case llms.ToolCall:
		if n.FunctionCall != nil {
			call := *n.FunctionCall
			call.Arguments = p.Text
			n.FunctionCall = &call
		}
		return n
	case llms.ToolCallResponse:
		n.Content = p.Text
		return n
	case llms.ContentPart:
		return n
	}
	return llms.TextContent{Text: p.Text}
}

// changedOptions returns the options that make the request's parameters those
// of req.
func changedOptions(f *modelCall, req *middleware.ModelRequest) []llms.CallOption {
	was := f.opts
	var options []llms.CallOption
	if req.Model != was.Model {
		options = append(options, llms.WithModel(req.Model))
	}
	if req.MaxTokens != was.MaxTokens {
		options = append(options, llms.WithMaxTokens(req.MaxTokens))
	}
	if req.Temperature != was.Temperature {
		options = append(options, llms.WithTemperature(req.Temperature))
	}
	if req.TopP != was.TopP {
		options = append(options, llms.WithTopP(req.TopP))
	}
	if !slices.Equal(req.Stop, was.StopWords) {
		options = append(options, llms.WithStopWords(req.Stop))
	}
	if !sameTools(req.Tools, was) {
		options = append(options, func(o *llms.CallOptions) {
			o.Tools = slices.DeleteFunc(slices.Clone(f.opts.Tools), func(t llms.Tool) bool {
				return !slices.Contains(req.Tools, toolName(t))
			})
			o.Functions = slices.DeleteFunc(slices.Clone(f.opts.Functions), func(d llms.FunctionDefinition) bool {
				return !slices.Contains(req.Tools, d.Name)
			})
			if !offersChosenTool(req.Tools, o) {
				// A provider refuses a request that chooses among no tools.
				o.ToolChoice, o.FunctionCallBehavior = nil, ""
			}
		})
	}
	return options
}

// offersChosenTool reports whether a request offers the tool that it tells the model to
// use or, where it names none, any tool.
func offersChosenTool(names []string, o *llms.CallOptions) bool {
	if len(o.Tools)+len(o.Functions) == 0 {
		return false
	}
	choice, named := o.ToolChoice.(llms.ToolChoice)
	if p, ok := o.ToolChoice.(*llms.ToolChoice); ok && p != nil {
		choice, named = *p, true
	}
	return !named || choice.Function == nil || slices.Contains(names, choice.Function.Name)
}

// neutralResponse returns what the model answered, free of langchaingo's types.
func neutralResponse(native *llms.ContentResponse) *middleware.ModelResponse {
	res := &middleware.ModelResponse{}
	if native == nil {
		return res
	}
	res.Choices = make([]middleware.Choice, len(native.Choices))
	for i, c := range native.Choices {
		if c == nil {
			continue
		}
		res.Choices[i] = middleware.Choice{
			Text: c.Content, Reasoning: c.ReasoningContent, StopReason: c.StopReason,
			ToolCalls: toolCalls(c),
		}
	}
	return res
}

// toolCalls returns the tool calls of a choice. FuncCall is the first of them
// once more, unless it is the only place where the provider put it.
func toolCalls(c *llms.ContentChoice) []middleware.ToolCall {
	var calls []middleware.ToolCall
	for _, tc := range c.ToolCalls {
		call := middleware.ToolCall{ID: tc.ID}
		if tc.FunctionCall != nil {
			call.Name, call.Input = tc.FunctionCall.Name, tc.FunctionCall.Arguments
		}
		calls = append(calls, call)
	}
	if calls == nil && c.FuncCall != nil {
		calls = append(calls, middleware.ToolCall{Name: c.FuncCall.Name, Input: c.FuncCall.Arguments})
	}
	return calls
}

// sameResponse reports whether res is, by value, what the model answered.
func sameResponse(native *llms.ContentResponse, res *middleware.ModelResponse) bool {
	if native == nil {
		return len(res.Choices) == 0
	}
	if len(res.Choices) != len(native.Choices) {
		return false
	}
	for i, c := range native.Choices {
		if c == nil {
			c = &llms.ContentChoice{}
		}
		r := &res.Choices[i]
		if r.Text != c.Content || r.Reasoning != c.ReasoningContent || r.StopReason != c.StopReason || !sameToolCalls(c, r.ToolCalls) {
			return false
		}
	}
	return true
}

func sameToolCalls(c *llms.ContentChoice, calls []middleware.ToolCall) bool {
	if len(c.ToolCalls) == 0 {
		return slices.Equal(toolCalls(c), calls)
	}
	return slices.EqualFunc(c.ToolCalls, calls, func(was llms.ToolCall, now middleware.ToolCall) bool {
		var f llms.FunctionCall
		if was.FunctionCall != nil {
			f = *was.FunctionCall
		}
		return now == middleware.ToolCall{ID: was.ID, Name: f.Name, Input: f.Arguments}
	})
}

// changedResponse returns res in langchaingo's types. It copies what it
// changes: a cache may hold native for others.
func changedResponse(native *llms.ContentResponse, res *middleware.ModelResponse) *llms.ContentResponse {
	changed := &llms.ContentResponse{Choices: make([]*llms.ContentChoice, len(res.Choices))}
	for i, c := range res.Choices {
		choice := llms.ContentChoice{}
		if native != nil && i < len(native.Choices) && native.Choices[i] != nil {
			choice = *native.Choices[i]
		}
		choice.Content, choice.ReasoningContent, choice.StopReason = c.Text, c.Reasoning, c.StopReason
		if !sameToolCalls(&choice, c.ToolCalls) {
			choice.ToolCalls, choice.FuncCall = nil, nil
			for _, tc := range c.ToolCalls {
				choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{
					ID: tc.ID, Type: "function",
					FunctionCall: &llms.FunctionCall{Name: tc.Name, Arguments: tc.Input},
				})
			}
			if len(choice.ToolCalls) > 0 {
				choice.FuncCall = choice.ToolCalls[0].FunctionCall
			}
		}
		changed.Choices[i] = &choice
	}
	return changed
}
