package gates_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// conditions are rules for the metadata of documents.
type conditions = map[string][]gates.Condition

// TestSources checks what is allowed: exactly what the rules name.
func TestSources(t *testing.T) {
	source := func(c ...gates.Condition) conditions { return conditions{"source": c} }
	under := source(gates.Under("faq.md", "handbook", "https://docs.example", "/srv/docs/", `C:\docs`))
	cyclic := map[string]any{}
	cyclic["of"] = cyclic
	ring, deep := []any{nil}, any("a")
	ring[0] = ring
	for range gates.DefaultMaxDepth {
		deep = []any{deep}
	}
	few := source(gates.AtMost(9))
	for _, tt := range []struct {
		allow    conditions
		metadata map[string]any
		want     bool
	}{
		{nil, nil, false},
		{nil, map[string]any{"source": "a"}, false},
		{conditions{}, map[string]any{"source": "a"}, false},
		{source(gates.Under()), map[string]any{"source": "a"}, false},
		{source(gates.OneOf()), map[string]any{"source": "a"}, false},

		{source(gates.OneOf("a", "b")), map[string]any{"source": "b"}, true},
		{source(gates.OneOf("a", "b")), map[string]any{"source": "c"}, false},
		{source(gates.OneOf("a", "b")), map[string]any{"source": "A"}, false},
		{source(gates.OneOf("a", "b")), map[string]any{"Source": "a"}, false},
		{source(gates.OneOf("a", "b")), map[string]any{"source": nil}, false},
		{source(gates.OneOf("a", nil)), map[string]any{"source": nil}, false},
		{source(gates.OneOf("a", "b")), nil, false},
		{source(gates.OneOf("YQ==", "a")), map[string]any{"source": []byte("a")}, false},
		{source(gates.OneOf("a", "1")), map[string]any{"source": 1}, false},
		{source(gates.OneOf("a")), map[string]any{"source": []string{"a"}}, false},
		{source(gates.OneOf("a")), map[string]any{"source": map[string]any{"source": "a"}}, false},
		{source(gates.OneOf(`"a"`)), map[string]any{"source": "a"}, false},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": "faq"}, true},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": "hr"}, false},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": []string{"hr"}}, false},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": []byte("hr")}, false},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": "h\xffr"}, false},
		{source(gates.Not(gates.OneOf("hr"))), map[string]any{"source": func() string { return "hr" }}, false},
		{source(gates.Not(gates.OneOf("hr"))), nil, false},
		{source(gates.Prefix("wiki:"), gates.Length(0, 9)), map[string]any{"source": "wiki:Go"}, true},
		{source(gates.Prefix("wiki:"), gates.Length(0, 9)), map[string]any{"source": "wiki:Golang"}, false},

		{source(gates.Equal(4)), map[string]any{"source": slog.LevelWarn}, true}, // whatever its JSON says
		{source(gates.Not(gates.Equal(4))), map[string]any{"source": math.NaN()}, false},
		{few, map[string]any{"source": []any{"b"}}, true},
		{few, map[string]any{"source": []string{"b\xff"}}, false},
		{few, map[string]any{"source": ring}, false},
		{few, map[string]any{"source": deep}, true},
		{few, map[string]any{"source": []any{deep}}, false},

		{under, map[string]any{"source": "faq.md"}, true},
		{under, map[string]any{"source": "handbook/leave.md"}, true},
		{under, map[string]any{"source": "handbook/a/b.md"}, true},
		{under, map[string]any{"source": "handbook"}, true},
		{under, map[string]any{"source": "handbook/"}, true},
		{under, map[string]any{"source": "handbook/a..b/c."}, true},
		{under, map[string]any{"source": "handbook-old/leave.md"}, false},
		{under, map[string]any{"source": "Handbook/leave.md"}, false},
		{under, map[string]any{"source": "hr/handbook/leave.md"}, false},
		{under, map[string]any{"source": "./handbook/leave.md"}, false},
		{under, map[string]any{"source": "handbook/../hr/salaries.md"}, false},
		{under, map[string]any{"source": "handbook/.."}, false},
		{under, map[string]any{"source": "handbook/./a"}, false},
		{under, map[string]any{"source": `handbook/..\hr`}, false},
		{under, map[string]any{"source": `handbook\leave.md`}, false},
		{under, map[string]any{"source": "handbook/%2e%2E/hr"}, false},
		{under, map[string]any{"source": "handbook/%2e./hr"}, false},
		{under, map[string]any{"source": "handbook/a%2f..%2Fhr"}, false},
		{under, map[string]any{"source": "handbook/a%5c..%5Chr"}, false},
		{under, map[string]any{"source": "handbook/%252e%25252E/hr"}, false},
		{under, map[string]any{"source": "handbook/%" + strings.Repeat("25", 100) + "2e"}, false},
		{under, map[string]any{"source": "handbook/%" + strings.Repeat("25", 100) + "41"}, false}, // who knows
		{under, map[string]any{"source": "handbook/%252541"}, true},
		{under, map[string]any{"source": "handbook/..;a=b/hr"}, false},
		{under, map[string]any{"source": "handbook/a;b/..;c"}, false},
		{under, map[string]any{"source": "handbook/ .. /hr"}, false},
		{under, map[string]any{"source": "handbook/100%"}, true},
		{under, map[string]any{"source": "handbook/100%25"}, true},
		{under, map[string]any{"source": "https://docs.example/a?b=c#d"}, true},
		{under, map[string]any{"source": "https://docs.example.evil.com/a"}, false},
		{under, map[string]any{"source": "https://docs.example@evil.com/a"}, false},
		{under, map[string]any{"source": "https://docs.example:80/a"}, false},
		{under, map[string]any{"source": `https://docs.example\@evil.com`}, false},
		{under, map[string]any{"source": "http://docs.example/a"}, false},
		{under, map[string]any{"source": "/srv/docs/a"}, true},
		{under, map[string]any{"source": "/srv/docs"}, false},
		{under, map[string]any{"source": "/srv/docs/../a"}, false},
		{under, map[string]any{"source": `C:\docs\a.md`}, true},
		{under, map[string]any{"source": `C:\docs\..\a.md`}, false},
		{under, map[string]any{"source": `C:\docs2\a.md`}, false},
		{under, map[string]any{"source": ""}, false},
		{under, map[string]any{"source": 7}, false},

		{conditions{"tenant": {gates.Equal("acme")}, "year": {gates.Between(2024, 2026)}}, map[string]any{"tenant": "acme", "year": 2025}, true},
		{conditions{"tenant": {gates.Equal("acme")}, "year": {gates.Between(2024, 2026)}}, map[string]any{"tenant": "acme", "year": "2025"}, false},
		{conditions{"tenant": {gates.Equal("acme")}, "year": {gates.Between(2024, 2026)}}, map[string]any{"tenant": "acme", "year": 2023.5}, false},
		{conditions{"tenant": {gates.Equal("acme")}, "year": {gates.Between(2024, 2026)}}, map[string]any{"tenant": "acme"}, false},
		{conditions{"tenant": {gates.Equal("acme")}, "year": {gates.Between(2024, 2026)}}, map[string]any{"year": 2025}, false},
		{conditions{"year": {gates.Between(2024, 2026)}}, map[string]any{"year": float64(2024)}, true},
		{conditions{"year": {gates.Between(2024, 2026)}}, map[string]any{"year": json.Number("2024")}, true},
		{conditions{"year": {gates.Not(gates.Between(2024, 2026))}}, map[string]any{"year": math.NaN()}, false},
		{conditions{"public": {gates.Equal(true)}}, map[string]any{"public": true}, true},
		{conditions{"public": {gates.Equal(true)}}, map[string]any{"public": "true"}, false},
		{conditions{"tags": {gates.Each(gates.OneOf("a", "b<c"))}}, map[string]any{"tags": []string{"a", "b<c"}}, true},
		{conditions{"tags": {gates.Each(gates.OneOf("a", "b"))}}, map[string]any{"tags": []any{"a", "c"}}, false},
		{conditions{"tags": {gates.Each(gates.Not(gates.Equal("x")))}}, map[string]any{"tags": []any{"a", "\xff"}}, false},
		{conditions{"tags": {gates.Each(gates.Not(gates.Equal("x")))}}, map[string]any{"tags": []string{"a", "\xff"}}, false},
		{conditions{"tags": {gates.Each(gates.Not(gates.Equal("x")))}}, map[string]any{"tags": []any{"a", time.Now()}}, false},
		{conditions{"tags": {gates.Each(gates.Not(gates.Equal("x")))}}, map[string]any{"tags": []any{"a", []byte("x")}}, false},
		{conditions{"of": {gates.Field("team", gates.Equal("a"))}}, map[string]any{"of": map[string]any{"team": "a", "n": 1}}, true},
		{conditions{"of": {gates.Field("team", gates.Equal("a"))}}, map[string]any{"of": map[string]any{"team": "b"}}, false},
		{conditions{"of": {gates.Field("team", gates.Equal("a"))}}, map[string]any{"of": map[string]any{"team": "a", "Team": "b"}}, false},
		{conditions{"of": {gates.Field("Team", gates.Equal("b"))}}, map[string]any{"of": map[string]any{"team": "a", "Team": "b"}}, false},
		{conditions{"of": {gates.Not(gates.Equal("x"))}}, map[string]any{"of": cyclic}, false},
		{conditions{"of": {gates.Field("team")}}, map[string]any{"of": map[string]any{"team": "a", "\xff": "b"}}, false},
	} {
		kept := middleware.Document{Text: "text", Metadata: tt.metadata, Score: 0.5}
		find := kit.Documents(kept)
		res, err := middleware.Wrap(find, gates.Sources(gates.SourceRules{Allow: tt.allow}))(t.Context(), kit.Retriever("q"))
		if got := err == nil; got != tt.want || !got && !denied(err, middleware.CodePolicy) {
			t.Errorf("%q: got %v, %v, want allowed %t", tt.metadata, res.Output, err, tt.want)
		}
		res, err = middleware.Wrap(find, gates.Sources(gates.SourceRules{Allow: tt.allow, Drop: true}))(t.Context(), kit.Retriever("q"))
		if docs, ok := res.Output.([]middleware.Document); err != nil || !ok || docs == nil || (len(docs) == 1) != tt.want {
			t.Errorf("%q dropped: got %v, %v, want it kept %t", tt.metadata, res.Output, err, tt.want)
		}
	}
}

// TestSourcesTrail checks what a gate that drops documents passes on, and what it says.
func TestSourcesTrail(t *testing.T) {
	doc := func(source any) middleware.Document {
		return middleware.Document{Text: "secret text", Metadata: map[string]any{"source": source}, Score: 0.5}
	}
	rules := conditions{"source": {gates.OneOf("a", "b")}, "z": {gates.Not(gates.Equal(1))}}
	both := func(d middleware.Document) middleware.Document {
		d.Metadata["z"] = 2
		return d
	}
	a, b, c := both(doc("a")), both(doc("b")), both(doc("secret source"))
	for _, tt := range []struct {
		name  string
		found []middleware.Document
		drop  bool
		kept  []string
		want  middleware.Decision
	}{
		{"none found", nil, true, nil, middleware.Decision{Verdict: middleware.VerdictAllow}},
		{"none found, not dropped", nil, false, nil, middleware.Decision{Verdict: middleware.VerdictAllow}},
		{"all allowed", []middleware.Document{b, a}, true, []string{"b", "a"}, middleware.Decision{Verdict: middleware.VerdictAllow}},
		{"one dropped", []middleware.Document{b, c, a}, true, []string{"b", "a"}, middleware.Decision{
			Verdict: middleware.VerdictTransform, Reason: `1 of 3 documents was dropped: "source" must be one of "a", "b"`,
		}},
		{"two dropped for several reasons", []middleware.Document{doc("a"), b, c}, true, []string{"b"}, middleware.Decision{
			Verdict: middleware.VerdictTransform, Reason: `2 of 3 documents were dropped: "z" is required`,
		}},
		{"all dropped", []middleware.Document{c, c}, true, nil, middleware.Decision{
			Verdict: middleware.VerdictTransform, Reason: `all 2 documents were dropped: "source" must be one of "a", "b"`,
		}},
		{"the only one dropped", []middleware.Document{c}, true, nil, middleware.Decision{
			Verdict: middleware.VerdictTransform, Reason: `the only document was dropped: "source" must be one of "a", "b"`,
		}},
		{"one denies", []middleware.Document{b, c, a}, false, nil, middleware.Decision{
			Verdict: middleware.VerdictDeny, Code: middleware.CodePolicy, Reason: `document 2 of 3: "source" must be one of "a", "b"`,
		}},
	} {
		var trail []middleware.Decision
		keep := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				res, err := next(ctx, call)
				trail = middleware.TrailOf(ctx).Decisions()
				return res, err
			}
		}
		find := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: tt.found}, nil
		}, keep, gates.Sources(gates.SourceRules{Allow: rules, Drop: tt.drop}))
		res, err := find(t.Context(), kit.Retriever("q"))
		tt.want.Gate = "sources"
		if len(trail) != 1 || trail[0] != tt.want {
			t.Errorf("%s: got trail %+v, want %+v", tt.name, trail, tt.want)
		}
		if isDenied := tt.want.Verdict == middleware.VerdictDeny; isDenied != denied(err, middleware.CodePolicy) || !isDenied && err != nil {
			t.Errorf("%s: got error %v", tt.name, err)
		}
		var kept []string
		docs, _ := res.Output.([]middleware.Document)
		for _, d := range docs {
			if d.Text != "secret text" || d.Score != 0.5 {
				t.Errorf("%s: got %+v", tt.name, d)
			}
			kept = append(kept, d.Metadata["source"].(string))
		}
		if !slices.Equal(kept, tt.kept) {
			t.Errorf("%s: got %q, want %q", tt.name, kept, tt.kept)
		}
		if len(tt.found) == 3 && tt.found[1].Metadata == nil {
			t.Errorf("%s: what the retriever holds was changed", tt.name)
		}
	}
}

// TestSourcesFailClosed: what is no list of documents is not known to be allowed.
func TestSourcesFailClosed(t *testing.T) {
	gate := gates.Sources(gates.SourceRules{Allow: conditions{"source": {gates.Equal("a")}}, Drop: true})
	for _, output := range []any{nil, "text", []any{}, []map[string]any{}, &[]middleware.Document{}, middleware.Document{}} {
		find := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: output}, nil
		}, gate)
		if res, err := find(t.Context(), kit.Retriever("q")); !denied(err, middleware.CodeIndeterminate) || res.Output != nil {
			t.Errorf("%T: got %v, %v, want it denied", output, res.Output, err)
		}
	}
	for _, call := range []middleware.Call{kit.Tool("a", ""), kit.Model("hi"), kit.Chain("c", nil), kit.Plan()} {
		if res, err := middleware.Wrap(kit.Echo, gate)(t.Context(), call); err != nil || res.Output == nil && call.Input != nil {
			t.Errorf("%s: got %v, %v, want what came", call.Kind, res.Output, err)
		}
	}
}

func TestSourcesRefusesNonsense(t *testing.T) {
	for says, f := range map[string]func(){
		`gates: Sources: key ""`:                func() { gates.Sources(gates.SourceRules{Allow: conditions{"": {gates.Equal("a")}}}) },
		`gates: Sources: key "source"`:          func() { gates.Sources(gates.SourceRules{Allow: conditions{"source": nil}}) },
		"gates: Sources: zero Condition":        func() { gates.Sources(gates.SourceRules{Allow: conditions{"a": {gates.Condition{}}}}) },
		"gates: Under: empty source":            func() { gates.Under("a", "") },
		`gates: Under: "a/../b" has a part`:     func() { gates.Under("a/../b") },
		`gates: Under: "./docs" has a part`:     func() { gates.Under("./docs") },
		"sources stands twice in one order":     func() { g := gates.Sources(gates.SourceRules{}); middleware.Wrap(kit.Echo, g, g) },
		"middleware: On: no call would come to": func() { middleware.On(middleware.KindTool, gates.Sources(gates.SourceRules{})) },
	} {
		wantPanic(t, says, says, f)
	}
	listed := []string{"a"}
	rules := conditions{"source": {gates.Under(listed...)}}
	gate := gates.Sources(gates.SourceRules{Allow: rules})
	listed[0], rules["source"][0] = "b", gates.Equal("b")
	rules["source"] = rules["source"][:0]
	find := middleware.Wrap(kit.Documents(middleware.Document{Metadata: map[string]any{"source": "b"}}), gate)
	if _, err := find(t.Context(), kit.Retriever("q")); !denied(err, middleware.CodePolicy) {
		t.Errorf("got error %v, want a rule that later changes of the list are no part of", err)
	}
}
