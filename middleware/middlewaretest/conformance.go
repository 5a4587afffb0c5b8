package middlewaretest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"example.com/safeconduct/middleware"
)

// patience is how long one call may take before TestInterceptor says that it
// hangs. It is only ever waited for by an interceptor that does.
const patience = 10 * time.Second

// A RuleError reports that an interceptor broke one rule of its contract.
type RuleError struct {
	Rule   string // stable short name, as the package doc lists them
	Text   string // the rule in one sentence
	Call   string // which call showed it; empty where none did
	Detail string // what was seen
}

// Error names the rule, says what was seen, and explains the rule.
func (e *RuleError) Error() string {
	on := ""
	if e.Call != "" {
		on = e.Call + ": "
	}
	return fmt.Sprintf("middlewaretest: %s: %s%s (the rule: %s)", e.Rule, on, e.Detail, e.Text)
}

// TestInterceptor checks that an interceptor keeps the contract of
// [middleware.Interceptor] and [middleware.Handler]. It returns nil if it does, and
// otherwise one [*RuleError] for each rule broken, joined: the package doc lists the
// rules. Run the test with -race.
//
// The func new returns a fresh Interceptor, with nothing spent, each time. It is
// called many times, and nothing is closed. The calls are those to try, alone and
// within a run; without any, there is one of each kind. They are meant to pass: a
// limit of the interceptor's should leave room for 100 of them.
func TestInterceptor(new func() middleware.Interceptor, calls ...middleware.Call) error {
	if new == nil {
		panic("middlewaretest: TestInterceptor: nil func")
	}
	each := []middleware.Call{
		Tool("tool", "input"), Chain("chain", map[string]any{"input": "hello"}),
		Plan(), Model("hello"), Retriever("query"),
	}
	if len(calls) == 0 {
		calls = each
	}
	k := &kit{new: new, label: rand.Text()}
	if !k.construct() {
		return k.err()
	}
	for _, call := range each {
		sample{k: k, call: call}.succeeds()
	}
	reached := false
	for _, call := range calls {
		for _, inRun := range []bool{false, true} {
			c := sample{k, call, inRun}
			reached = c.check() || reached
		}
	}
	if !reached && !k.gaveUp() {
		k.broken(ruleReach, "", "none of the %d calls reached next", len(calls))
	}
	if !k.gaveUp() {
		k.concurrent(calls)
	}
	if !k.hung {
		k.goroutines()
	}
	return k.err()
}

// A kit is one TestInterceptor at work. Only its own goroutine uses it.
type kit struct {
	new   func() middleware.Interceptor
	label string       // that goroutines under test bear
	errs  []*RuleError // one for each rule at most
	hung  bool
	hangs atomic.Int32 // calls that were given up
}

// gaveUp reports whether so many calls hung that no more are tried.
func (k *kit) gaveUp() bool { return k.hangs.Load() >= 2 }

// broken notes that a rule was broken; the first time counts.
func (k *kit) broken(r rule, call, format string, args ...any) {
	if k.has(r) {
		return
	}
	k.errs = append(k.errs, &RuleError{Rule: r.String(), Text: r.text(), Call: call, Detail: fmt.Sprintf(format, args...)})
}

// has reports whether r was broken.
func (k *kit) has(r rule) bool {
	return slices.ContainsFunc(k.errs, func(err *RuleError) bool { return err.Rule == r.String() })
}

func (k *kit) err() error {
	errs := make([]error, len(k.errs))
	for i, err := range k.errs {
		errs[i] = err
	}
	return errors.Join(errs...)
}

// construct checks what can be checked without a call. It reports whether calls
// can be made.
func (k *kit) construct() bool {
	i := k.new()
	if i == nil {
		k.broken(ruleHandler, "", "new returned a nil Interceptor")
		return false
	}
	if v := caught(func() { k.newRig(k.new()) }); v != nil {
		k.broken(ruleHandler, "", "middleware.Wrap refuses it: %v", v)
		return false
	}
	for n, l := range middleware.Layers(i) {
		if l.Name == "" {
			k.broken(ruleDescribe, "", "layer %d of it has no name", n+1)
		}
	}
	return true
}

// caught calls f and returns what it panicked with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}
