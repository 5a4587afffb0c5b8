package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema/internal/phrase"
	"example.com/safeconduct/schema/repair"
)

// A verdict is what a boundary makes of an Output.
type verdict struct {
	output  any    // the Output that was judged, or what leaves in its place
	changed string // what was changed in it, if anything
	code    middleware.Code

	denied  error  // why it does not leave, or nil
	refused bool   // it holds an answer, and another one may do better
	answer  string // the last one that was judged, if it is text
}

// streams returns what a client streams of the output: of a model the first choice.
func (v *verdict) streams() string {
	if res, ok := v.output.(*middleware.ModelResponse); ok && res != nil && len(res.Choices) > 0 {
		return res.Choices[0].Text
	}
	return v.answer
}

// judge judges the answers in an Output. The accepted text needs no judgement.
// If there is a default, it may take the place of a refused answer.
func (b *boundary) judge(ctx context.Context, call *middleware.Call, output any, accepted string, orDefault bool) verdict {
	v := verdict{output: output}
	to, changed, err := b.each(output, func(what string, answer any) (any, bool, error) {
		text, _ := answer.(string)
		v.answer = text
		if text != "" && text == accepted {
			return answer, false, nil
		}
		to, change, err := b.value(ctx, call, what, answer)
		if err == nil {
			if change == "" {
				return answer, false, nil
			}
			v.changed = change
			v.answer, _ = to.(string)
			return to, true, nil
		}
		d, _ := foreign.As[*middleware.DeniedError](err)
		refused := d != nil && d.Code != middleware.CodeIndeterminate
		if refused && orDefault {
			v.code, v.changed = d.Code, "the default takes the place of the answer: "+d.Reason
			to := b.byDefault.as(answer)
			v.answer, _ = to.(string)
			return to, true, nil
		}
		v.refused = refused
		return nil, false, err
	})
	if v.denied = err; err == nil && changed {
		v.output = to
	}
	return v
}

// each calls f for each answer in an Output, and returns the Output with what f
// has in their places, and whether that is another one. The Output is not
// modified. The error is f's first, or says why no answer can be found.
func (b *boundary) each(output any, f func(what string, answer any) (any, bool, error)) (to any, changed bool, err error) {
	switch out := output.(type) {
	case map[string]any:
		return eachKey(b.Key, out, f)
	case *middleware.Plan:
		if out == nil {
			return nil, false, errors.New("schema: the plan is nil")
		}
		if out.Final == nil {
			return out, false, nil
		}
		final, changed, err := eachKey(b.Key, out.Final, f)
		if err != nil || !changed {
			return out, false, err
		}
		plan := *out
		plan.Final = final
		return &plan, true, nil
	case *middleware.ModelResponse:
		if out == nil {
			return nil, false, errors.New("schema: the response is nil")
		}
		return eachChoice(out, f)
	}
	return f("the output", output)
}

func eachKey(key string, out map[string]any, f func(string, any) (any, bool, error)) (map[string]any, bool, error) {
	if key == "" {
		var err error
		if key, err = usualKey(out); err != nil {
			return nil, false, err
		}
	}
	v, ok := out[key]
	if !ok {
		return nil, false, middleware.Deny(middleware.CodeBadOutput, "the output lacks %q", key)
	}
	to, changed, err := f("the output", v)
	if err != nil || !changed {
		return out, false, err
	}
	out = maps.Clone(out)
	out[key] = to
	return out, true, nil
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
	return "", middleware.Deny(middleware.CodeIndeterminate, "the output has %d values, and which one is the answer is not known: "+
		"BoundaryRules.Key can name it", len(out))
}

func eachChoice(out *middleware.ModelResponse, f func(string, any) (any, bool, error)) (*middleware.ModelResponse, bool, error) {
	answered, changed := false, false
	res := out
	for i, c := range out.Choices {
		switch {
		case c.Text == "" && len(c.ToolCalls) > 0:
			answered = true
			continue
		case c.Text == "" && c.Reasoning != "":
			continue
		}
		answered = true
		to, other, err := f(fmt.Sprintf("choice %d", i+1), c.Text)
		if err != nil {
			return nil, false, err
		}
		text, ok := to.(string)
		if !other || !ok {
			continue
		}
		if !changed {
			changed = true
			res = &middleware.ModelResponse{Model: out.Model, Choices: slices.Clone(out.Choices)}
		}
		res.Choices[i].Text = text
	}
	if !answered {
		return nil, false, middleware.Deny(middleware.CodeBadOutput, "the response holds no answer")
	}
	return res, changed, nil
}

// value judges one answer, and returns what leaves in its place if that is
// something else, with what was changed.
func (b *boundary) value(ctx context.Context, call *middleware.Call, what string, answer any) (to any, changed string, err error) {
	var judged string
	if text, ok := answer.(string); ok {
		judged, changed, err = b.text(text)
	} else {
		judged, err = b.Schema.judgeValue(answer)
	}
	if err != nil {
		return nil, "", deny(middleware.CodeBadOutput, what, err)
	}
	if b.Check != nil {
		if err := b.check(ctx, call, strictjson.AppendNormal(nil, judged)); err != nil {
			return nil, "", err
		}
	}
	if changed != "" {
		return strictjson.Normal(judged), changed, nil
	}
	return answer, "", nil
}

// text judges a text, by itself or else by the JSON that can be had out of it,
// and returns what satisfied the schema.
func (b *boundary) text(text string) (judged, changed string, err error) {
	_, err = b.Schema.judge(text)
	if err == nil || !b.Extract && !b.Repair || len(text) > MaxBytes || errors.Is(err, ErrIndeterminate) {
		return text, "", err
	}
	value, changes, none := b.extract([]byte(text))
	if none != nil {
		reason := "must be JSON: " + strings.TrimPrefix(none.Error(), "repair: ")
		return "", "", &ValidationError{Schema: b.Schema.name, Violations: []Violation{{Keyword: KeywordSyntax, Reason: reason}}}
	}
	changed = "the JSON was taken out of the text"
	if len(changes) > 0 {
		changed = "the JSON was mended: " + phrase.Clip(changes.String(), MaxReason)
	}
	judged = string(value)
	_, err = b.Schema.judge(judged)
	return judged, changed, err
}

func (b *boundary) extract(text []byte) ([]byte, repair.Changes, error) {
	if b.Repair {
		return repair.Repair(text)
	}
	value, err := repair.Extract(text)
	return value, nil, err
}

// check has the user's func judge an answer.
func (b *boundary) check(ctx context.Context, call *middleware.Call, answer []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &middleware.DeniedError{
				Code: middleware.CodeIndeterminate, Reason: "the check panicked",
				Err: &middleware.PanicError{Kind: call.Kind, Call: call.Name, Value: v, Stack: debug.Stack()},
			}
		}
	}()
	return b.Check(ctx, answer)
}

// deny makes a denial of a ValidationError about what was judged. Any other error
// comes back as it is, and denies as indeterminate.
func deny(code middleware.Code, what string, err error) error {
	invalid, ok := errors.AsType[*ValidationError](err)
	if !ok {
		return err
	}
	return &middleware.DeniedError{
		Code:   code,
		Reason: fmt.Sprintf("%s does not satisfy the schema %s: %s", what, invalid.Schema, invalid.sentence()),
		Err:    invalid,
	}
}
