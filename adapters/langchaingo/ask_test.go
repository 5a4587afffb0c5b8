package langchaingo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

type weather struct {
	City    string `json:"city"`
	Degrees int    `json:"degrees"`
}

// A structured answer, as a Go value.
func ExampleAsk() {
	model := says("about 3 degrees", `{"city":"Bonn","degrees":3}`)
	got, err := schema.Run[weather](context.Background(), langchaingo.Ask(model, gates.Budget(gates.Limits{ModelCalls: 3})),
		schema.Prompt("How warm is it in Bonn?"), schema.BoundaryRules{Reasks: 2})
	fmt.Printf("%+v %v\n", got, err)
	// Output: {City:Bonn Degrees:3} <nil>
}

// TestAskKeepsTheGuards: what guards the model sees the run as it does otherwise: a
// recorder every refused answer, ingress the root call, a budget each request.
func TestAskKeepsTheGuards(t *testing.T) {
	recorded := 0
	recorder := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "recorder", Recorder: true, ID: "recorder"}.Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			recorded++
			return next(ctx, call)
		}
	}
	rules := schema.BoundaryRules{Reasks: 2}
	for name, tt := range map[string]struct {
		guards []middleware.Interceptor
		code   middleware.Code
		asked  int
	}{
		"none":              {nil, "", 2},
		"a recorder":        {[]middleware.Interceptor{recorder}, "", 2},
		"recorder and gate": {[]middleware.Interceptor{recorder, gates.Budget(gates.Limits{ModelCalls: 2})}, "", 2},
		"composed":          {[]middleware.Interceptor{middleware.Compose(recorder, gates.Budget(gates.Limits{ModelCalls: 2}))}, "", 2},
		"a spent budget":    {[]middleware.Interceptor{recorder, gates.Budget(gates.Limits{ModelCalls: 1})}, middleware.CodeOverBudget, 1},
		"ingress":           {[]middleware.Interceptor{gates.Ingress(gates.IngressRules{MaxBytes: 10})}, middleware.CodeBadInput, 0},
	} {
		recorded = 0
		s := says("about 3 degrees", `{"city":"Bonn","degrees":3}`)
		ask := langchaingo.Ask(s, tt.guards...)
		if name == "a recorder" || name == "ingress" {
			ask = langchaingo.Ask(langchaingo.Model(s, tt.guards...)) // which is guarded already
		}
		got, err := schema.Run[weather](t.Context(), ask, schema.Prompt("How warm is it?"), rules)
		if tt.code != "" {
			middlewaretest.WantDenied(t, err, tt.code)
		} else if err != nil || got != (weather{"Bonn", 3}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if s.requests() != tt.asked {
			t.Errorf("%s: the model was asked %d times, want %d", name, s.requests(), tt.asked)
		}
		if strings.Contains(name, "recorder") && recorded != 2 || name == "composed" && recorded != 2 {
			t.Errorf("%s: %d calls were recorded, want 2", name, recorded)
		}
	}
}

// TestAskSendsTheRequest: what the request says comes to the model.
func TestAskSendsTheRequest(t *testing.T) {
	s := says(`{"city":"Bonn","degrees":3}`)
	req := schema.Prompt("How warm is it?")
	req.Messages = append([]middleware.Message{{Role: "system", Parts: []middleware.Part{{Text: "Be brief."}}}}, req.Messages...)
	req.Model, req.MaxTokens, req.Temperature, req.TopP, req.Stop = "small", 50, 0.5, 0.9, []string{"END"}
	if _, err := schema.Run[weather](t.Context(), langchaingo.Ask(s), req, schema.BoundaryRules{}); err != nil {
		t.Fatal(err)
	}
	o, sent := s.options[0], s.asked[0]
	if o.Model != "small" || o.MaxTokens != 50 || o.Temperature != 0.5 || o.TopP != 0.9 || len(o.StopWords) != 1 {
		t.Errorf("got options %+v", o)
	}
	text, ok := sent[1].Parts[0].(llms.TextContent)
	if len(sent) != 2 || sent[0].Role != llms.ChatMessageTypeSystem || sent[1].Role != llms.ChatMessageTypeHuman || !ok || !strings.Contains(text.Text, "JSON Schema") {
		t.Errorf("got messages %+v", sent)
	}
	for what, change := range map[string]func(*middleware.ModelRequest){
		"tools":      func(r *middleware.ModelRequest) { r.Tools = []string{"calc"} },
		"JSON mode":  func(r *middleware.ModelRequest) { r.JSON = true },
		"candidates": func(r *middleware.ModelRequest) { r.Candidates = 2 },
	} {
		changed := schema.Prompt("x")
		change(changed)
		if _, err := schema.Run[weather](t.Context(), langchaingo.Ask(s), changed, schema.BoundaryRules{}); err == nil || s.requests() != 1 {
			t.Errorf("%s: got %v after %d requests, want an error", what, err, s.requests())
		}
	}
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "langchaingo: Ask: nil model") {
			t.Errorf("got panic %v", v)
		}
	}()
	langchaingo.Ask(nil)
}
