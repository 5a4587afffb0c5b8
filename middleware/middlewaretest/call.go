package middlewaretest

import "example.com/safeconduct/middleware"

// Tool returns a call of the tool that is registered as name.
func Tool(name, input string) middleware.Call {
	return middleware.Call{Kind: middleware.KindTool, Name: name, Input: input}
}

// Chain returns a run of the chain called name. A nil map becomes an empty one.
func Chain(name string, inputs map[string]any) middleware.Call {
	if inputs == nil {
		inputs = map[string]any{}
	}
	return middleware.Call{Kind: middleware.KindChain, Name: name, Input: inputs}
}

// Model returns a request to the model called "model", with one message of the
// human for each prompt and no parameters set.
func Model(prompts ...string) middleware.Call {
	req := &middleware.ModelRequest{}
	for _, text := range prompts {
		part := middleware.Part{Text: text, Size: len(text)}
		req.Messages = append(req.Messages, middleware.Message{Role: "human", Parts: []middleware.Part{part}})
	}
	return middleware.Call{Kind: middleware.KindModel, Name: "model", Input: req}
}

// Plan returns the first turn of the agent called "agent". [Planner] makes the
// Handler that answers it with a batch of tool calls.
func Plan() middleware.Call {
	return middleware.Call{Kind: middleware.KindPlan, Name: "agent", Input: &middleware.PlanRequest{}}
}

// Retriever returns a query to the retriever called "retriever".
func Retriever(query string) middleware.Call {
	return middleware.Call{Kind: middleware.KindRetriever, Name: "retriever", Input: query}
}

// Ask returns a tool call of a model that asks for the tool registered as name
// and spells it right. One for a tool that the model made up is
// middleware.ToolCall{Name: name}.
func Ask(name, input string) middleware.ToolCall {
	return middleware.ToolCall{Name: name, Input: input, Registered: name}
}
