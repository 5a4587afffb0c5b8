package gates

import (
	"fmt"
	"strconv"
	"time"
)

// A Scope says who shares what [Limits] allow.
type Scope uint8

const (
	// ScopeRun gives each run the limits for itself. A call outside of any
	// run is a run of its own.
	ScopeRun Scope = iota
	// ScopeProcess has all runs through the gate share the limits, for as long
	// as the process lives.
	ScopeProcess

	scopes = 2
)

// String returns "run" or "process".
func (s Scope) String() string {
	switch s {
	case ScopeRun:
		return "run"
	case ScopeProcess:
		return "process"
	}
	return "scope(" + strconv.Itoa(int(s)) + ")"
}

// DefaultEstimate is how many tokens of output [Budget] reserves for a model
// call that sets no MaxTokens, where [Limits] do not say.
const DefaultEstimate = 1024

// Limits bound what may be spent in one scope. A limit that is zero is none: the
// zero Limits limit nothing, which [Budget] refuses.
type Limits struct {
	Scope Scope

	ToolCalls  int64 // calls of tools
	ModelCalls int64 // requests to models
	Tokens     int64 // input and output of models, together

	// WallTime bounds how long a run takes, from its first call through the
	// gate. It is for ScopeRun.
	WallTime time.Duration

	// Estimate is how many tokens of output to reserve for a model call that
	// sets no MaxTokens. Zero means DefaultEstimate. It has no use without
	// Tokens.
	Estimate int64
}

// A dim is one thing that is counted.
type dim uint8

const (
	toolCalls dim = iota
	modelCalls
	tokens
	dims
)

// String returns the name of the limit, as in a [middleware.Balance].
func (d dim) String() string { return [dims]string{"tool_calls", "model_calls", "tokens"}[d] }

// limitWallTime is the name of the one limit that is not counted.
const limitWallTime = "wall_time"

// amounts are so many of each dim.
type amounts [dims]int64

// check panics where limits make no sense.
func (l *Limits) check() {
	switch {
	case l.Scope >= scopes:
		panic(fmt.Sprintf("gates: Budget: unknown scope %d", l.Scope))
	case l.ToolCalls < 0 || l.ModelCalls < 0 || l.Tokens < 0 || l.WallTime < 0 || l.Estimate < 0:
		panic(fmt.Sprintf("gates: Budget: negative limit in %+v", *l))
	case l.ToolCalls == 0 && l.ModelCalls == 0 && l.Tokens == 0 && l.WallTime == 0:
		panic(fmt.Sprintf("gates: Budget: Limits of scope %v limit nothing", l.Scope))
	case l.WallTime != 0 && l.Scope != ScopeRun:
		panic("gates: Budget: WallTime is for ScopeRun")
	case l.Estimate != 0 && l.Tokens == 0:
		panic("gates: Budget: Estimate without Tokens")
	}
}
