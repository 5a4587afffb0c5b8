package gates_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// FuzzArguments holds what the gate lets through against encoding/json: it must
// be one object, and the argument that was judged must be the one that a tool
// gets.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		`{"x":"a"}`, `{"x":"\u0061","y":[1,{"z":null}]}`, `{"X":"a","x":"b"}`, `{"x":"a"} {}`, `{"x":1e5}`, `{"\ud83d\ude00":1,"x":"a"}`,
		`{"x":"a","ſ":1,"S":2}`,
	} {
		f.Add(s)
	}
	h := middleware.Wrap(kit.Echo, gates.Arguments(gates.ArgumentRules{"tool": {gates.Arg("x", gates.Equal("a"))}}))
	f.Fuzz(func(t *testing.T, input string) {
		if _, err := h(t.Context(), kit.Tool("tool", input)); err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(input))
		var args struct{ X string } // matched without regard to case
		if err := dec.Decode(&args); err != nil || args.X != "a" {
			t.Errorf("%q was let through, and a tool gets %q, %v", input, args.X, err)
		}
		if _, err := dec.Token(); err != io.EOF {
			t.Errorf("%q was let through, and something follows: %v", input, err)
		}
	})
}

// FuzzLoop holds the gate against encoding/json: two texts of the same value are
// identical calls.
func FuzzLoop(f *testing.F) {
	for _, s := range []string{`{"b":1,"a":[1.50,"x\/y",{}]}`, `"\u00e9"`, `[1e2,-0.0,true]`, "text", `{"a":{"c":1,"b":2}}`, "7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input string) {
		other := input + "\n "
		var v any
		dec := json.NewDecoder(strings.NewReader(input))
		dec.UseNumber()
		if dec.Decode(&v) == nil {
			if _, err := dec.Token(); err == io.EOF && !twins(input) {
				var b bytes.Buffer
				enc := json.NewEncoder(&b)
				enc.SetIndent("", "\t")
				_ = enc.Encode(v)
				other = b.String()
			}
		}
		h := middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{Consecutive: 1}))
		if got := outcomes(t, h, "tool "+input, "tool "+other); got[1] != "told" {
			t.Errorf("%q and %q: got %v", input, other, got)
		}
	})
}

// twins reports whether decoding and encoding again may lose something: where a
// name is there twice, or the text is not UTF-8.
func twins(input string) bool {
	h := middleware.Wrap(kit.Echo, gates.Arguments(gates.ArgumentRules{"tool": {gates.OptionalArg("none")}}))
	_, err := h(context.Background(), kit.Tool("tool", `{"v":`+input+`}`))
	return err != nil
}
