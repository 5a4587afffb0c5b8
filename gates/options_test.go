package gates_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// A downStore always fails.
type downStore struct{ gates.Store }

func (downStore) Reserve(context.Context, gates.Reservation) ([]gates.Standing, error) {
	return nil, errors.New("down")
}
func (downStore) Settle(context.Context, string, []gates.Amounts) error { return errors.New("down") }
func (downStore) Release(context.Context, string) error                 { return errors.New("down") }

// TestOptionsAnswerDenials: a denial that an option answers names it, and with the
// option the same call is not denied.
func TestOptionsAnswerDenials(t *testing.T) {
	budget := func(o gates.BudgetOptions, l gates.Limits) middleware.Interceptor { return gates.BudgetWith(o, l) }
	session := gates.Limits{Scope: gates.ScopeSession, ToolCalls: 1}
	nameless := session
	nameless.Nameless = gates.NamelessShared
	prices, err := gates.ReadPrices(strings.NewReader("safeconduct prices v1\nsource s nowhere\nmodel 2026-01-01 s gpt-99 input=1 output=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	named := kit.Model("hi")
	request := *named.Input.(*middleware.ModelRequest)
	request.Model = "gpt-99"
	named.Input = &request
	deep := kit.Chain("qa", map[string]any{"a": map[string]any{"b": map[string]any{"c": "d"}}})
	long := kit.Chain("qa", map[string]any{"a": strings.Repeat("x", 50)})
	ann := middleware.Identity{Session: "s", Subject: "ann", Tenant: "acme"}
	for _, tt := range []struct {
		option        string
		call          middleware.Call
		without, with middleware.Interceptor
		identity      middleware.Identity // beside with
	}{
		{"Limits.Estimate", kit.Model("hi"), budget(gates.BudgetOptions{}, gates.Limits{Tokens: 500}), budget(gates.BudgetOptions{}, gates.Limits{Tokens: 500, Estimate: 100}), middleware.Identity{}},
		{"Limits.Clamp", kit.Model("hi"), budget(gates.BudgetOptions{}, gates.Limits{Tokens: 500}), budget(gates.BudgetOptions{}, gates.Limits{Tokens: 500, Clamp: true}), middleware.Identity{}},
		{"Limits.Clamp", kit.Model("hi"), budget(gates.BudgetOptions{}, gates.Limits{OutputTokens: 500}), budget(gates.BudgetOptions{}, gates.Limits{OutputTokens: 500, Clamp: true}), middleware.Identity{}},
		{"Limits.Estimate", kit.Model("hi"), budget(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: gates.Cent}), budget(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: gates.Cent, Estimate: 100}), middleware.Identity{}},
		{"BudgetOptions.Model", kit.Model("hi"), budget(gates.BudgetOptions{}, gates.Limits{Cost: gates.Dollar}), budget(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: gates.Dollar}), middleware.Identity{}},
		{"BudgetOptions.Prices", named, budget(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: gates.Dollar}), budget(gates.BudgetOptions{Prices: prices}, gates.Limits{Cost: gates.Dollar}), middleware.Identity{}},
		{"middleware.WithIdentity", kit.Tool("a", ""), budget(gates.BudgetOptions{}, session), budget(gates.BudgetOptions{}, session), ann},
		{"Limits.Nameless", kit.Tool("a", ""), budget(gates.BudgetOptions{}, session), budget(gates.BudgetOptions{}, nameless), middleware.Identity{}},
		{"BudgetOptions.LocalShare", kit.Tool("a", ""), budget(gates.BudgetOptions{Store: downStore{}}, nameless), budget(gates.BudgetOptions{Store: downStore{}, LocalShare: 1}, nameless), middleware.Identity{}},
		{"IngressRules.MaxBytes", long, gates.Ingress(gates.IngressRules{MaxBytes: 10}), gates.Ingress(gates.IngressRules{MaxBytes: 100}), middleware.Identity{}},
		{"IngressRules.MaxDepth", deep, gates.Ingress(gates.IngressRules{MaxDepth: 1}), gates.Ingress(gates.IngressRules{MaxDepth: 3}), middleware.Identity{}},
	} {
		ask := func(gate middleware.Interceptor, who middleware.Identity) error {
			_, err := middleware.Wrap(kit.Echo, gate)(middleware.WithIdentity(t.Context(), who), tt.call)
			return err
		}
		if err := ask(tt.without, middleware.Identity{}); err == nil || !strings.Contains(err.Error(), tt.option) {
			t.Errorf("%s: without: got %v, want a denial that names it", tt.option, err)
		}
		if err := ask(tt.with, tt.identity); err != nil {
			t.Errorf("%s: with: got %v, want no error", tt.option, err)
		}
	}
}

// TestOptionsAreNamedWhereTheyAnswer: of what is chosen, or does not help, nothing
// is said.
func TestOptionsAreNamedWhereTheyAnswer(t *testing.T) {
	bounded := kit.Model("hi")
	request := *bounded.Input.(*middleware.ModelRequest)
	request.MaxTokens = 600
	bounded.Input = &request
	for name, tt := range map[string]struct {
		l    gates.Limits
		call middleware.Call
	}{
		"an Estimate of one's own": {gates.Limits{Tokens: 500, Estimate: 600}, kit.Model("hi")},
		"MaxTokens":                {gates.Limits{Tokens: 500}, bounded},
		"the prompt is too long":   {gates.Limits{Tokens: 500}, kit.Model(strings.Repeat("hello ", 1000))},
		"the input alone":          {gates.Limits{InputTokens: 1}, kit.Model("hello, how are you?")},
	} {
		_, err := middleware.Wrap(kit.Echo, gates.Budget(tt.l))(t.Context(), tt.call)
		if d := kit.WantDenied(t, err, middleware.CodeOverBudget); strings.Contains(d.Reason, "Estimate") {
			t.Errorf("%s: got %s", name, d.Reason)
		}
	}
}

// TestAdviceAboutSourcesIsAnAnswer: so is what is said of rules and retrievers that make
// no sense.
func TestAdviceAboutSourcesIsAnAnswer(t *testing.T) {
	page := middleware.Document{Text: "a page", Metadata: map[string]any{"source": "handbook/1"}}
	rules := func(conditions ...gates.Condition) gates.SourceRules {
		return gates.SourceRules{Allow: map[string][]gates.Condition{"source": conditions}}
	}
	found := func(output any, rules gates.SourceRules) error {
		h := func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: output}, nil
		}
		_, err := middleware.Wrap(h, gates.Sources(rules))(t.Context(), kit.Retriever("q"))
		return err
	}
	func() {
		defer func() {
			if got := fmt.Sprint(recover()); !strings.Contains(got, "name what is allowed, as with gates.Under") {
				t.Errorf("no conditions: got panic %s, want the advice", got)
			}
		}()
		gates.Sources(rules())
	}()
	under := rules(gates.Under("handbook"))
	if err := found("a page", under); err == nil || !strings.Contains(err.Error(), "as []middleware.Document is") {
		t.Errorf("a text: got error %v, want the advice", err)
	}
	if err := found([]middleware.Document{page}, under); err != nil {
		t.Errorf("as advised: got error %v", err)
	}
}
