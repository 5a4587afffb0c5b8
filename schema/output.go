package schema

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/safeconduct/middleware"
)

// Output returns the gate of the output boundary, "schema.output": what leaves
// the outermost call that it guards satisfies s, or does not leave. The denial
// has [middleware.CodeBadOutput], a reason that says what is wrong and where, and
// the [*ValidationError] as its cause.
//
// Calls within the outermost one pass. So in an order that guards a run, its
// plans, its models and its tools alike, Output judges the final answer of the
// run alone; given to a single chain, model or tool, or to those of one kind by
// [middleware.On], it judges what that returns.
//
// What it judges depends on the call:
//
//   - Of a chain, the value of one output key: the only key, or else "output" or
//     "text", whichever there is. Agents and chains of langchaingo use these, and
//     may add others, such as the steps that led there. Where it cannot be told
//     which key is meant, the gate denies; [OutputKey] names one.
//   - Of a plan, the final answer, in the same way. A plan that goes on passes.
//   - Of a model, the text of every choice. A choice without text passes if it
//     asks for tools or holds nothing but reasoning, but a response of nothing
//     but reasoning is denied.
//   - Of a tool, what it said, and of anything else all of it.
//
// A string is judged as the JSON text that it must be, as by [Schema.Validate],
// and any other value as by [Schema.ValidateValue]. Nothing is changed: what
// leaves is what came. Chunks of a stream have left before the gate sees the
// whole; see [middleware.Stream].
//
// Output panics if s is nil.
func Output(s *Schema) middleware.Interceptor {
	if s == nil {
		panic("schema: Output: nil Schema")
	}
	return (&boundary{schema: s}).intercept
}

// OutputKey is like [Output], but of a chain and of a plan it judges the value of
// the given key, and denies where there is none. It panics if s is nil or the key
// is empty.
func OutputKey(s *Schema, key string) middleware.Interceptor {
	if s == nil {
		panic("schema: OutputKey: nil Schema")
	}
	if key == "" {
		panic("schema: OutputKey: empty key")
	}
	return (&boundary{schema: s, key: key}).intercept
}

// A boundary judges what leaves calls.
type boundary struct {
	schema *Schema
	key    string // empty for the usual ones
	inside middleware.Local[calls]
}

// calls are the calls of a run that a boundary is around.
type calls struct {
	mu   sync.Mutex
	open map[middleware.CallID]struct{}
}

func (b *boundary) intercept(next middleware.Handler) middleware.Handler {
	judged := middleware.After("schema.output", b.check)(next)
	if next == nil {
		return judged // what After says of itself
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if run := middleware.RunOf(ctx); run != nil && call.ID != 0 {
			within := b.inside.In(run)
			defer within.leave(call.ID)
			if !within.enter(call) {
				return next(ctx, call)
			}
		}
		return judged(ctx, call)
	}
}

// enter notes a call, and reports whether it is within none that was noted.
func (c *calls) enter(call middleware.Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[middleware.CallID]struct{})
	}
	_, inner := c.open[call.Parent]
	c.open[call.ID] = struct{}{}
	return !inner
}

func (c *calls) leave(id middleware.CallID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
}

func (b *boundary) check(_ context.Context, _ middleware.Call, res middleware.Result) error {
	switch out := res.Output.(type) {
	case map[string]any:
		return b.checkKey(out)
	case *middleware.Plan:
		if out == nil {
			return errors.New("schema: the plan is nil")
		}
		if out.Final == nil {
			return nil
		}
		return b.checkKey(out.Final)
	case *middleware.ModelResponse:
		if out == nil {
			return errors.New("schema: the response is nil")
		}
		return b.checkChoices(out.Choices)
	}
	return b.checkValue("the output", res.Output)
}

func (b *boundary) checkKey(out map[string]any) error {
	key := b.key
	if key == "" {
		var err error
		if key, err = usualKey(out); err != nil {
			return err
		}
	}
	v, ok := out[key]
	if !ok {
		return middleware.Deny(middleware.CodeBadOutput, "the output lacks %q", key)
	}
	return b.checkValue("the output", v)
}

// usualKey returns the key under which a chain returns its answer.
func usualKey(out map[string]any) (string, error) {
	if len(out) == 0 {
		return "", middleware.Deny(middleware.CodeBadOutput, "there is no output")
	}
	_, output := out["output"]
	_, text := out["text"]
	switch {
	case output && !text:
		return "output", nil
	case text && !output:
		return "text", nil
	case len(out) == 1:
		for key := range out {
			return key, nil
		}
	}
	return "", middleware.Deny(middleware.CodeIndeterminate, "the output has %d values, and which one is the answer is not known", len(out))
}

func (b *boundary) checkChoices(choices []middleware.Choice) error {
	answered := false
	for i, c := range choices {
		switch {
		case c.Text == "" && len(c.ToolCalls) > 0:
			answered = true
			continue
		case c.Text == "" && c.Reasoning != "":
			continue
		}
		answered = true
		if err := b.checkValue(fmt.Sprintf("choice %d", i+1), c.Text); err != nil {
			return err
		}
	}
	if !answered {
		return middleware.Deny(middleware.CodeBadOutput, "the response holds no answer")
	}
	return nil
}

func (b *boundary) checkValue(what string, v any) error {
	var err error
	if text, ok := v.(string); ok {
		_, err = b.schema.judgeText(text, false)
	} else {
		err = b.schema.ValidateValue(v)
	}
	return deny(middleware.CodeBadOutput, what, err)
}

// deny makes a denial of a ValidationError about what was judged. Any other error
// comes back as it is, and denies as indeterminate.
func deny(code middleware.Code, what string, err error) error {
	var invalid *ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	return &middleware.DeniedError{
		Code:   code,
		Reason: fmt.Sprintf("%s does not satisfy the schema %s: %s", what, invalid.Schema, invalid.sentence()),
		Err:    invalid,
	}
}
