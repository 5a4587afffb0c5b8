package schema

import (
	"context"
	"fmt"
	"slices"

	"example.com/safeconduct/middleware"
)

// Run asks a model for a T: it tells the model the schema, judges the answer by a
// [Boundary] with these rules, has the model asked again as they say, and decodes what
// is left. The schema is that of [For] unless the rules have one. Ask puts interceptors
// around what asks the model; Ask of adapters/langchaingo makes one of a model.
//
// A refusal is a [*middleware.DeniedError] with the [*ValidationError] as its cause. With
// an error comes the zero T. Run panics where Boundary does, if ask or the request is
// nil, if ask leaves the interceptors out, and if the rules have a Key. See the package's
// documentation for the details.
func Run[T any](
	ctx context.Context, ask func(is ...middleware.Interceptor) middleware.Handler, request *middleware.ModelRequest, rules BoundaryRules,
) (T, error) {
	var zero T
	switch {
	case ask == nil || request == nil:
		panic("schema: Run: nil ask, or nil request")
	case rules.Key != "":
		panic("schema: Run: the rules have a Key, which is for chains: leave it empty")
	}
	if rules.Schema == nil {
		s, err := For[T]()
		if err != nil {
			return zero, err
		}
		rules.Schema = s
	}
	s, check := rules.Schema, rules.Check
	rules.Check = func(ctx context.Context, answer []byte) error {
		if _, err := Decode[T](s, answer); err != nil {
			return deny(middleware.CodeBadOutput, "the answer", err)
		}
		if check != nil {
			return check(ctx, answer)
		}
		return nil
	}
	boundary, applied := Boundary(rules), false
	h := ask(func(next middleware.Handler) middleware.Handler {
		applied = applied || next != nil
		return boundary(next)
	})
	if !applied || h == nil {
		panic("schema: Run: ask left out the interceptors that it got: put them around what asks the model, with middleware.Wrap")
	}
	call := middleware.Call{Kind: middleware.KindModel, Name: "model", Input: instructed(request, Instructions(s))}
	res, err := h(ctx, call)
	if err != nil {
		return zero, err
	}
	out, ok := res.Output.(*middleware.ModelResponse)
	if !ok || out == nil {
		return zero, fmt.Errorf("schema: Run: the handler of ask returned a %T, want a *middleware.ModelResponse", res.Output)
	}
	i := slices.IndexFunc(out.Choices, func(c middleware.Choice) bool { return c.Text != "" })
	if i < 0 {
		return zero, &middleware.DeniedError{
			Gate: outputName, Call: call.Name, Code: middleware.CodeBadOutput, Reason: "the model asked for tools, and gave no answer",
		}
	}
	v, err := Decode[T](s, []byte(out.Choices[i].Text))
	if err != nil { // a gate of ask's changed it
		return zero, deny(middleware.CodeBadOutput, "the answer", err)
	}
	return v, nil
}

// Prompt returns the request of one message of a human, for [Run].
func Prompt(text string) *middleware.ModelRequest {
	return &middleware.ModelRequest{Messages: []middleware.Message{message("human", text)}}
}

// instructed returns the request with the text at the end of what the human said last:
// some providers refuse two messages of the human in a row.
func instructed(req *middleware.ModelRequest, text string) *middleware.ModelRequest {
	last := len(req.Messages) - 1
	if last < 0 || req.Messages[last].Role != "human" {
		return withMessages(req, []middleware.Message{message("human", text)})
	}
	changed := *req
	changed.Messages = slices.Clone(req.Messages)
	m := &changed.Messages[last]
	m.Parts = slices.Clone(m.Parts)
	if n := len(m.Parts) - 1; n >= 0 && m.Parts[n].Native == nil && !m.Parts[n].Media {
		text = m.Parts[n].Text + "\n\n" + text
		m.Parts[n] = middleware.Part{Text: text, Size: len(text)}
	} else {
		m.Parts = append(m.Parts, middleware.Part{Text: text, Size: len(text)})
	}
	return &changed
}
