package middleware_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// TestTellSaysWhatTheCodeMeans looks the codes up in the source: one that is new
// needs its line here.
func TestTellSaysWhatTheCodeMeans(t *testing.T) {
	const unchanged = "Do not repeat this call unchanged."
	want := map[middleware.Code]string{
		middleware.CodePolicy:         unchanged,
		middleware.CodeToolNotAllowed: "Use another tool, or go on without one.",
		middleware.CodeOverBudget:     "Do not repeat this call: finish with what you have.",
		middleware.CodeBadInput:       "Correct the arguments, then call again.",
		middleware.CodeBadOutput:      "What came of this call was withheld: ask in another way, or go on without it.",
		middleware.CodeLoop:           "Do something else, or finish with what you have.",
		middleware.CodeTooDeep:        "Do not repeat this call: go on without it.",
		middleware.CodeDeadline:       "Ask for what takes less time, or finish with what you have.",
		middleware.CodeBusy:           "Go on with something else: this call may be repeated later.",
		middleware.CodeApproval:       "Do not repeat this call before somebody has agreed to it.",
		middleware.CodeEvidence:       "No tool can run for now: finish with what you have.",
		middleware.CodeStopped:        "The run is over: make no more calls.",
		middleware.CodeIndeterminate:  "Do not repeat this call unchanged: try another way, or go on without it.",
		"quarantined":                 unchanged,
		"Busy":                        unchanged,
	}
	for _, code := range codes(t) {
		if _, ok := want[code]; !ok {
			t.Errorf("no word about the code %q", code)
		}
	}
	for code, advice := range want {
		for _, kind := range []middleware.Kind{middleware.KindTool, middleware.KindPlan} {
			h := middleware.Wrap(echo, middleware.Tell, middleware.Before("gate", func(context.Context, middleware.Call) error {
				return middleware.Deny(code, "not today")
			}))
			res, err := h(t.Context(), middleware.Call{Kind: kind, Name: "shell"})
			text := middleware.Observation("Denied (" + string(code) + "): not today. " + advice)
			if err != nil || res.Output != text {
				t.Errorf("%s %s: got %q, %v, want %q", kind, code, res.Output, err, text)
			}
		}
	}
}

// codes returns the Codes that the package declares.
func codes(t *testing.T) (all []middleware.Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "denied.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no text", spec.Names[0].Name)
		}
		code, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, middleware.Code(code))
		return true
	})
	if len(all) < 13 {
		t.Fatalf("got %d codes: this looked elsewhere", len(all))
	}
	return all
}
