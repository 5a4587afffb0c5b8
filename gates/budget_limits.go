package gates

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/safeconduct/middleware"
)

// A Scope says who shares what [Limits] allow.
type Scope uint8

const (
	// ScopeRun gives each run the limits for itself. A call outside of any
	// run is a run of its own.
	ScopeRun Scope = iota
	// ScopeSession has the runs of one session of one tenant share the limits.
	ScopeSession
	// ScopeSubject has the runs of one subject of one tenant share them.
	ScopeSubject
	// ScopeTenant has the runs of one tenant share them. Who the session,
	// subject and tenant of a run are, [middleware.WithIdentity] says.
	ScopeTenant
	// ScopeProcess has all runs through the gate share the limits, for as long
	// as the process lives.
	ScopeProcess

	scopes = 5
)

// String returns "run", "session", "subject", "tenant" or "process".
func (s Scope) String() string {
	switch s {
	case ScopeRun:
		return "run"
	case ScopeSession:
		return "session"
	case ScopeSubject:
		return "subject"
	case ScopeTenant:
		return "tenant"
	case ScopeProcess:
		return "process"
	}
	return "scope(" + strconv.Itoa(int(s)) + ")"
}

// named reports whether the scope is one that the identity of a run names.
func (s Scope) named() bool { return s > ScopeRun && s < ScopeProcess }

// Nameless says what becomes of a call whose run does not name the session,
// subject or tenant that a limit is for.
type Nameless uint8

const (
	// NamelessDenied denies the call: the gate cannot tell whose limit it is.
	NamelessDenied Nameless = iota
	// NamelessShared has all runs without the name share one set of limits.
	NamelessShared
	// NamelessUnlimited lets the call pass these limits uncounted.
	NamelessUnlimited
)

// Money in micro-dollars, for [Limits.Cost] and [Rates]: 5*Dollar, 0.5*Dollar, 20*Cent.
// As untyped constants they can be multiplied by fractions.
const (
	Dollar = 1_000_000
	Cent   = Dollar / 100
)

// DefaultEstimate is how many tokens of output [Budget] reserves for a model
// call that sets no MaxTokens, where [Limits] do not say.
const DefaultEstimate = 1024

// Limits bound what may be spent in one scope. A limit that is zero is none: the
// zero Limits limit nothing, which [Budget] refuses.
type Limits struct {
	Scope Scope

	// Window makes the limits hold for each window of that length, such as
	// time.Minute or 24*time.Hour, and not for as long as the scope lives,
	// which zero means. A window begins with the first call that is counted in
	// it and the next one with the first call after its end: windows follow
	// the monotonic clock, not the calendar, so that setting the clock refills
	// nothing. A call counts in the window in which it began. Around the end of
	// a window up to two windows' worth can be spent in a row.
	//
	// A gate has room for a million sessions, subjects and tenants, and denies calls
	// of new ones beyond that. It forgets those that have spent nothing and those
	// whose window is over: where others make up sessions, give these a Window.
	Window time.Duration

	ToolCalls  int64 // calls of tools
	ModelCalls int64 // requests to models

	// Tokens of models. Cached tokens are part of the input, and reasoning is
	// part of the output.
	InputTokens     int64
	OutputTokens    int64
	CachedTokens    int64
	ReasoningTokens int64
	Tokens          int64 // input and output together

	// Cost of model calls, in micro-dollars: 5*Dollar are five US dollars. See
	// [BudgetOptions.Prices].
	Cost int64

	// WallTime bounds how long a run takes, from its first call through the
	// gate. It is for ScopeRun without a Window.
	WallTime time.Duration

	// Estimate is how many tokens of output to reserve for a model call that
	// sets no MaxTokens. Zero means DefaultEstimate. It has no use without a
	// limit on tokens or cost.
	Estimate int64

	// Clamp lowers the MaxTokens of a model call so that it fits into what is
	// left of these limits on tokens and cost. A call that sets none gets that
	// of its Estimate first, so that a model cannot answer more than was
	// reserved. Without Clamp a call that asks for more than is left is denied,
	// and so is one that sets no MaxTokens while less than its Estimate is
	// left: limits below Estimate need Clamp, or a smaller Estimate. What
	// leaves not one token of output is denied either way.
	Clamp bool

	// Soft is a share of each of these limits in percent, from 1 to 100. Once
	// that is used or reserved, requests to models end with one more message
	// of the human that says what is left. Zero means never. Limits on time are
	// left out.
	Soft int

	// FinalAnswer is such a share from which on models are offered no tools,
	// and told to give their final answer with what they have. Zero means
	// never. A provider may want tools to be offered wherever a conversation
	// holds calls of them, and refuse such a request.
	FinalAnswer int

	// Nameless says what becomes of calls of runs without the name that Scope
	// asks for. Zero means NamelessDenied.
	Nameless Nameless
}

// limitWallTime is the name of the one limit that is not counted.
const limitWallTime = "wall_time"

// amounts returns the limits on what is counted.
func (l *Limits) amounts() Amounts {
	return Amounts{
		DimToolCalls: l.ToolCalls, DimModelCalls: l.ModelCalls,
		DimInputTokens: l.InputTokens, DimOutputTokens: l.OutputTokens,
		DimCachedTokens: l.CachedTokens, DimReasoningTokens: l.ReasoningTokens,
		DimTokens: l.Tokens, DimCost: l.Cost,
	}
}

// metered reports whether there is a limit on tokens or cost.
func (l *Limits) metered() bool {
	a := l.amounts()
	a[DimToolCalls], a[DimModelCalls] = 0, 0
	return a != Amounts{}
}

// check panics where limits make no sense.
func (l *Limits) check() {
	least := min(l.Window, l.WallTime, time.Duration(l.Estimate))
	for _, n := range l.amounts() {
		least = min(least, time.Duration(n))
	}
	switch {
	case l.Scope >= scopes:
		panic(fmt.Sprintf("gates: Budget: unknown scope %d", l.Scope))
	case l.Nameless > NamelessUnlimited:
		panic(fmt.Sprintf("gates: Budget: unknown Nameless %d", l.Nameless))
	case least < 0:
		panic(fmt.Sprintf("gates: Budget: negative limit in %+v", *l))
	case l.amounts() == Amounts{} && l.WallTime == 0:
		panic(fmt.Sprintf("gates: Budget: Limits of scope %v limit nothing", l.Scope))
	case l.WallTime != 0 && (l.Scope != ScopeRun || l.Window != 0):
		panic("gates: Budget: WallTime is for ScopeRun without a Window")
	case l.Estimate != 0 && !l.metered():
		panic("gates: Budget: Estimate without a limit on tokens or cost")
	case l.Clamp && !l.metered():
		panic("gates: Budget: Clamp without a limit on tokens or cost")
	case l.Soft < 0 || l.Soft > 100 || l.FinalAnswer < 0 || l.FinalAnswer > 100:
		panic("gates: Budget: Soft and FinalAnswer are from 0 to 100 percent")
	case l.Soft+l.FinalAnswer > 0 && l.amounts() == Amounts{}:
		panic("gates: Budget: Soft and FinalAnswer are for what is counted, not for time")
	case l.Nameless != NamelessDenied && !l.Scope.named():
		panic("gates: Budget: Nameless is for sessions, subjects and tenants")
	}
}

// compare orders limits: the run first, and a shorter window before a longer
// one and that before none.
func (l *Limits) compare(m *Limits) int {
	window := func(d time.Duration) time.Duration {
		if d == 0 {
			return math.MaxInt64
		}
		return d
	}
	return cmp.Or(cmp.Compare(l.Scope, m.Scope), cmp.Compare(window(l.Window), window(m.Window)))
}

// limit returns the name of one of the limits: "tokens", or "tokens per 24h".
func (l *Limits) limit(d Dim) string {
	if l.Window == 0 {
		return d.String()
	}
	window := l.Window.String() // 24h0m0s
	if strings.HasSuffix(window, "m0s") {
		window = strings.TrimSuffix(window, "0s")
	}
	if strings.HasSuffix(window, "h0m") {
		window = strings.TrimSuffix(window, "0m")
	}
	return d.String() + " per " + window
}

// account returns the name of the account that a run has under the limits, and
// whether the run names who it is of. Names of different scopes, windows and
// tenants differ.
func (l *Limits) account(run *middleware.Run) (name string, named bool) {
	var id middleware.Identity
	if run != nil {
		id = run.Identity
	}
	name = l.Scope.String() + "?window=" + strconv.FormatInt(int64(l.Window), 10)
	who := ""
	switch l.Scope {
	case ScopeSession:
		who = id.Session
	case ScopeSubject:
		who = id.Subject
	case ScopeTenant:
		return name + "&tenant=" + url.QueryEscape(id.Tenant), id.Tenant != ""
	case ScopeRun, ScopeProcess:
		return name, true
	}
	return name + "&tenant=" + url.QueryEscape(id.Tenant) + "&id=" + url.QueryEscape(who), who != ""
}
