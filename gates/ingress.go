package gates

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/middleware"
)

// What IngressRules bound where they say nothing.
const (
	DefaultMaxBytes = 1 << 20
	DefaultMaxDepth = 64
)

// maxDepthBound is how far MaxDepth may go: what is deeper, no JSON decoder reads.
const maxDepthBound = 10_000

// IngressRules say what may enter a run. The zero IngressRules bound size and
// depth and demand nothing else.
//
// Values are compared as JSON would: a string with strings, a number with
// numbers of every Go type, true, false and nil with themselves. A key that is
// not there counts as nil. Keys and strings are compared byte by byte; prefer
// Allow to Deny, which anything that looks like a value but is another passes.
type IngressRules struct {
	// MaxBytes bounds the size of the Input: the bytes of its strings, keys
	// included, and a few bytes for each other value, much as JSON would take.
	// What a message holds that is not text counts by its Size. Zero means
	// DefaultMaxBytes.
	MaxBytes int

	// MaxDepth bounds how deep values nest: a string has depth 0, a map of
	// strings depth 1, and so on; a pointer counts like a map. At most 10,000;
	// zero means DefaultMaxDepth.
	MaxDepth int

	// Required lists the keys that must be there and not nil.
	Required []string

	// Allow lists for a key the only values that it may have: strings, numbers,
	// bools or nil. An empty list allows none.
	Allow map[string][]any

	// Deny lists for a key values that it must not have. A map, a list or a
	// struct is denied too: it cannot be compared.
	Deny map[string][]any

	// Check is called last, where it is not nil. What its errors mean is as
	// for [middleware.Before], but that it can only deny: where it abstains the
	// gate still allows, and what [middleware.Allow] returned denies. It must
	// not modify the inputs, and must be safe for concurrent use. The map is
	// nil where the call has no inputs by key.
	Check func(ctx context.Context, inputs map[string]any) error

	// Quiet has no denial name the values of Allow, which users and models read
	// otherwise. Those of Deny are never named, which would only help to get around
	// them.
	Quiet bool
}

// Ingress returns the gate "ingress", which judges what enters a run: the Input of its
// root call, of whatever kind that is. All other calls pass at once. Required, Allow,
// Deny and Check are for chains and plans, which have inputs by key; on calls of other
// kinds a rule that needs a key denies.
//
// Strings that are not valid UTF-8 are denied, as what a model reads would then not be
// what was judged, and values that are not data: funcs, channels, and structs with
// unexported fields other than time.Time. The code is [middleware.CodeBadInput]; the
// reason names the key, and the limit or what is allowed, never the value that came.
// Ingress panics if rules make no sense.
func Ingress(rules IngressRules) middleware.Interceptor {
	r := newIngress(rules)
	gate := middleware.Before("ingress", r.judge)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "ingress", Gate: true, ID: r}.Handler()
		}
		gate := gate(next)
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if call.Parent != 0 {
				return next(ctx, call)
			}
			return gate(ctx, call)
		}
	}
}

// An ingress is IngressRules made ready.
type ingress struct {
	maxBytes, maxDepth int
	required           []string
	allow, deny        []listed
	check              func(ctx context.Context, inputs map[string]any) error
}

// A listed is what Allow or Deny says about one key.
type listed struct {
	key    string
	values map[any]struct{} // as plain makes them
	reason string           // of a denial
}

func newIngress(rules IngressRules) *ingress {
	if rules.MaxBytes < 0 || rules.MaxDepth < 0 {
		panic(fmt.Sprintf("gates: Ingress: negative bound in MaxBytes %d, MaxDepth %d", rules.MaxBytes, rules.MaxDepth))
	}
	if rules.MaxDepth > maxDepthBound {
		panic(fmt.Sprintf("gates: Ingress: MaxDepth %d is more than %d", rules.MaxDepth, maxDepthBound))
	}
	if slices.Contains(rules.Required, "") {
		panic("gates: Ingress: empty key in Required")
	}
	r := &ingress{
		maxBytes: rules.MaxBytes, maxDepth: rules.MaxDepth,
		required: slices.Clone(rules.Required),
		allow:    newListed("Allow", rules.Allow), deny: newListed("Deny", rules.Deny),
		check: rules.Check,
	}
	for i := range r.allow {
		l := &r.allow[i]
		l.reason = "input " + shown.Name(l.key) + " has a value that is not allowed"
		if !rules.Quiet {
			l.reason = "input " + shown.Name(l.key) + " must " + beOneOf(rules.Allow[l.key])
		}
	}
	for i := range r.deny {
		l := &r.deny[i]
		l.reason = "input " + shown.Name(l.key) + " has a value that is denied"
	}
	if r.maxBytes == 0 {
		r.maxBytes = DefaultMaxBytes
	}
	if r.maxDepth == 0 {
		r.maxDepth = DefaultMaxDepth
	}
	return r
}

// newListed keeps the keys sorted, so that the first denial is always the same.
func newListed(field string, rules map[string][]any) []listed {
	var all []listed
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if key == "" {
			panic("gates: Ingress: empty key in " + field)
		}
		l := listed{key: key, values: make(map[any]struct{}, len(rules[key]))}
		for _, v := range rules[key] {
			p, ok := canonical(v)
			if f, isFloat := p.(float64); !ok || isFloat && math.IsNaN(f) {
				panic(fmt.Sprintf("gates: Ingress: %s[%q]: a value of type %T cannot be compared", field, key, v))
			}
			l.values[p] = struct{}{}
		}
		all = append(all, l)
	}
	return all
}

// judge is the decision about a root call.
func (r *ingress) judge(ctx context.Context, call middleware.Call) error {
	m := measure{bytes: r.maxBytes, depth: r.maxDepth}
	if err := r.bounds(m.call(&call)); err != nil {
		return err
	}
	for _, key := range r.required {
		if inputOf(&call, key) == nil {
			return badInput("input " + shown.Name(key) + " is required")
		}
	}
	for i := range r.allow {
		l := &r.allow[i]
		if p, ok := canonical(inputOf(&call, l.key)); !ok || !l.has(p) {
			return badInput(l.reason)
		}
	}
	for i := range r.deny {
		l := &r.deny[i]
		if p, ok := canonical(inputOf(&call, l.key)); !ok || l.has(p) {
			return badInput(l.reason)
		}
	}
	if r.check != nil {
		return objection(r.check(ctx, inputsOf(&call)))
	}
	return nil
}

func (l *listed) has(p any) bool {
	_, ok := l.values[p]
	return ok
}

// bounds turns what stopped a measure into a denial.
func (r *ingress) bounds(s stop, key string) error {
	where := "the input"
	if key != "" {
		where = "input " + shown.Name(key)
	}
	switch s {
	case stopNone:
		return nil
	case stopBytes:
		return badInput("the input is larger than " + strconv.Itoa(r.maxBytes) + " bytes, which IngressRules.MaxBytes sets")
	case stopDepth:
		return badInput(where + " is nested deeper than " + strconv.Itoa(r.maxDepth) + ", which IngressRules.MaxDepth sets")
	case stopUTF8:
		return badInput(where + " is not valid UTF-8")
	}
	return badInput(where + " holds a value that is not data")
}

// inputOf returns the input that call has under key, or nil.
func inputOf(call *middleware.Call, key string) any {
	switch in := call.Input.(type) {
	case map[string]any:
		return in[key]
	case *middleware.PlanRequest:
		if in != nil {
			if v, ok := in.Inputs[key]; ok {
				return v
			}
		}
	}
	return nil
}

// inputsOf returns the inputs by key for a Check.
func inputsOf(call *middleware.Call) map[string]any {
	switch in := call.Input.(type) {
	case map[string]any:
		return in
	case *middleware.PlanRequest:
		if in != nil {
			inputs := make(map[string]any, len(in.Inputs))
			for key, v := range in.Inputs {
				inputs[key] = v
			}
			return inputs
		}
	}
	return nil
}
