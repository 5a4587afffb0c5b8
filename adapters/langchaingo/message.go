package langchaingo

import (
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// request returns what the model is asked, free of langchaingo's types.
func request(messages []llms.MessageContent, opts *llms.CallOptions) *middleware.ModelRequest {
	req := &middleware.ModelRequest{
		Messages:    make([]middleware.Message, len(messages)),
		Model:       opts.Model,
		MaxTokens:   opts.MaxTokens,
		Temperature: opts.Temperature,
		TopP:        opts.TopP,
		Candidates:  max(opts.CandidateCount, opts.N),
		Stop:        opts.StopWords,
		JSON:        opts.JSONMode,
	}
	for i, m := range messages {
		parts := make([]middleware.Part, len(m.Parts))
		for k, p := range m.Parts {
			parts[k] = part(p)
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

func part(p llms.ContentPart) middleware.Part {
	switch p := p.(type) {
	case llms.TextContent:
		return middleware.Part{Text: p.Text, Size: len(p.Text)}
	case llms.BinaryContent:
		return middleware.Part{Size: len(p.Data), Media: !strings.HasPrefix(p.MIMEType, "text/"), Native: p}
	}
	text := partText(p)
	_, image := p.(llms.ImageURLContent)
	return middleware.Part{Text: text, Size: len(text), Media: image, Native: p}
}

// partText returns the text of a part that may also hold something else.
func partText(p any) string {
	switch p := p.(type) {
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

// changedMessages returns req's messages in langchaingo's types. Those that no
// interceptor touched are the caller's own.
func changedMessages(f *modelCall, req *middleware.ModelRequest) []llms.MessageContent {
	messages := make([]llms.MessageContent, len(req.Messages))
	for i, m := range req.Messages {
		if i < len(f.messages) && sameMessage(m, f.request.Messages[i]) {
			messages[i] = f.messages[i]
			continue
		}
		parts := make([]llms.ContentPart, len(m.Parts))
		for k, p := range m.Parts {
			parts[k] = nativePart(p)
		}
		messages[i] = llms.MessageContent{Role: llms.ChatMessageType(m.Role), Parts: parts}
	}
	return messages
}

func sameMessage(a, b middleware.Message) bool {
	return a.Role == b.Role && len(a.Parts) == len(b.Parts) && (len(a.Parts) == 0 || &a.Parts[0] == &b.Parts[0])
}

// nativePart puts p's text in the place of the text in p's native value.
func nativePart(p middleware.Part) llms.ContentPart {
	switch n := p.Native.(type) {
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
	was := f.request
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
	if !slices.Equal(req.Stop, was.Stop) {
		options = append(options, llms.WithStopWords(req.Stop))
	}
	if !slices.Equal(req.Tools, was.Tools) {
		options = append(options, func(o *llms.CallOptions) {
			o.Tools = slices.DeleteFunc(slices.Clone(f.opts.Tools), func(t llms.Tool) bool {
				return !slices.Contains(req.Tools, toolName(t))
			})
			o.Functions = slices.DeleteFunc(slices.Clone(f.opts.Functions), func(d llms.FunctionDefinition) bool {
				return !slices.Contains(req.Tools, d.Name)
			})
			if !offers(req.Tools, o) {
				// A provider refuses a request that chooses among no tools.
				o.ToolChoice, o.FunctionCallBehavior = nil, ""
			}
		})
	}
	return options
}

// offers reports whether a request offers the tool that it has the model use, or
// any, where it names none.
func offers(names []string, o *llms.CallOptions) bool {
	if len(o.Tools)+len(o.Functions) == 0 {
		return false
	}
	choice, named := o.ToolChoice.(llms.ToolChoice)
	if p, ok := o.ToolChoice.(*llms.ToolChoice); ok && p != nil {
		choice, named = *p, true
	}
	return !named || choice.Function == nil || slices.Contains(names, choice.Function.Name)
}

// response returns what the model answered, free of langchaingo's types.
func response(native *llms.ContentResponse) *middleware.ModelResponse {
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

// changedResponse returns res in langchaingo's types. It copies what it
// changes: a cache may hold native for others.
func changedResponse(native *llms.ContentResponse, was, res *middleware.ModelResponse) *llms.ContentResponse {
	changed := &llms.ContentResponse{Choices: make([]*llms.ContentChoice, len(res.Choices))}
	for i, c := range res.Choices {
		choice := llms.ContentChoice{}
		var before middleware.Choice
		if native != nil && i < len(native.Choices) && native.Choices[i] != nil {
			choice, before = *native.Choices[i], was.Choices[i]
		}
		choice.Content, choice.ReasoningContent, choice.StopReason = c.Text, c.Reasoning, c.StopReason
		if !slices.Equal(c.ToolCalls, before.ToolCalls) {
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
