package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// TestOptionsAnswerErrors: an error that an option answers names it, and with the
// option there is none.
func TestOptionsAnswerErrors(t *testing.T) {
	number := schema.MustCompile("number", `{"type":"number"}`)
	two := func(_ context.Context, _ middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: map[string]any{"answer": "1", "why": "x"}}, nil
	}
	judge := func(rules schema.BoundaryRules) error {
		_, err := middleware.Wrap(two, schema.Boundary(rules))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "qa"})
		return err
	}
	compile := func(o schema.Options) error {
		_, err := schema.CompileWith("order", []byte(`{"properties":{"id":{"$ref":"https://example.com/id"}}}`), o)
		return err
	}
	run := func(rules schema.BoundaryRules, wrap bool) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		one := middlewaretest.Answer("1", 1, 1)
		_, err = schema.Run[int](t.Context(), func(is ...middleware.Interceptor) middleware.Handler {
			if !wrap {
				return one
			}
			return middleware.Wrap(one, is...)
		}, schema.Prompt("how many?"), rules)
		return err
	}
	for option, errs := range map[string][2]error{
		"with middleware.Wrap":                     {run(schema.BoundaryRules{}, false), run(schema.BoundaryRules{}, true)},
		"Key, which is for chains: leave it empty": {run(schema.BoundaryRules{Key: "answer"}, true), run(schema.BoundaryRules{}, true)},
		"BoundaryRules.Key":                        {judge(schema.BoundaryRules{Schema: number}), judge(schema.BoundaryRules{Schema: number, Key: "answer"})},
		"Options.Resources":                        {compile(schema.Options{}), compile(schema.Options{Resources: map[string][]byte{"https://example.com/id": []byte(`{}`)}})},
	} {
		if errs[0] == nil || !strings.Contains(errs[0].Error(), option) {
			t.Errorf("%s: without: got %v, want an error that names it", option, errs[0])
		}
		if errs[1] != nil {
			t.Errorf("%s: with: got %v, want none", option, errs[1])
		}
	}
}
