package middlewaretest_test

import (
	"math"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// TestSame checks that each change to an Input is seen, and that a clone is not
// touched by it.
func TestSame(t *testing.T) {
	type opaque struct{ hidden *int }
	type cell struct{ Next *cell }
	ring := &cell{}
	ring.Next = ring
	n := 1
	req := func() *middleware.ModelRequest {
		return middlewaretest.Model("hello", "there").Input.(*middleware.ModelRequest)
	}
	tests := []struct {
		name   string
		input  any
		change func(input any) // nil where nothing can be changed
	}{
		{"nil", nil, nil},
		{"string", "x", nil},
		{"map", map[string]any{"a": 1}, func(in any) { in.(map[string]any)["a"] = 2 }},
		{"map, added", map[string]any{"a": 1}, func(in any) { in.(map[string]any)["b"] = 2 }},
		{"map, removed", map[string]any{"a": nil}, func(in any) { delete(in.(map[string]any), "a") }},
		{"map, renamed", map[string]any{"a": 1}, func(in any) { m := in.(map[string]any); delete(m, "a"); m["b"] = 1 }},
		{"map, nil to empty", map[string]any{"a": []any(nil)}, func(in any) { in.(map[string]any)["a"] = []any{} }},
		{"map, another type", map[string]any{"a": 1}, func(in any) { in.(map[string]any)["a"] = 1.0 }},
		{"map, to nil", map[string]any{"a": 1}, func(in any) { in.(map[string]any)["a"] = nil }},
		{"nil map within", map[string]any{"a": map[string]any(nil)}, func(in any) { in.(map[string]any)["a"] = map[string]any{} }},
		{"list within", map[string]any{"a": []any{1, []string{"x"}}}, func(in any) { in.(map[string]any)["a"].([]any)[1].([]string)[0] = "y" }},
		{"array within", &[2]map[string]int{{"a": 1}}, func(in any) { in.(*[2]map[string]int)[0]["a"] = 2 }},
		{"message", req(), func(in any) { in.(*middleware.ModelRequest).Messages[1].Parts[0].Text = "x" }},
		{"parameter", req(), func(in any) { in.(*middleware.ModelRequest).Temperature = math.NaN() }},
		{"tools", req(), func(in any) { r := in.(*middleware.ModelRequest); r.Tools = append(r.Tools, "shell") }},
		{"pointer within", map[string]any{"a": &n}, func(in any) { *in.(map[string]any)["a"].(*int) = 2 }},
		{"pointer to nil", map[string]any{"a": &n}, func(in any) { in.(map[string]any)["a"] = (*int)(nil) }},
		{"func to nil", map[string]any{"f": func() {}}, func(in any) { in.(map[string]any)["f"] = (func())(nil) }},
		{"not a number", map[string]any{"a": math.NaN()}, func(in any) { in.(map[string]any)["a"] = 1.0 }},

		{"opaque", map[string]any{"a": opaque{&n}, "b": &opaque{&n}, "c": time.Now()}, nil},
		{"a cycle", ring, nil},
		{"funcs and channels", map[string]any{"f": func() {}, "c": make(chan int)}, nil},
		{"nothing in it", []any{[]any(nil), map[string]any(nil), (*int)(nil), error(nil)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clone := middlewaretest.Clone(tt.input)
			if !middlewaretest.Same(tt.input, clone) {
				t.Fatalf("a clone is not the same: %v, %v", tt.input, clone)
			}
			if tt.change == nil {
				return
			}
			tt.change(tt.input)
			if middlewaretest.Same(tt.input, clone) {
				t.Errorf("the change was not seen: %v, %v", tt.input, clone)
			}
		})
	}
	if middlewaretest.Same(nil, 1) || middlewaretest.Same(1, "1") {
		t.Error("values of other types are the same")
	}
}
