package gates

import (
	"math"

	"example.com/safeconduct/middleware"
)

// A meter is the tokens of one call as they are charged. None is negative;
// cached and written are part of the input, and reasoning of the output.
type meter struct{ input, cached, written, output, reasoning, total int64 }

const (
	// maxUsage is more tokens than one call can take. What a provider
	// reports beyond it is not believed.
	maxUsage = 1_000_000_000

	// maxCost is more than one call can cost: a million dollars.
	maxCost = 1_000_000_000_000

	maxAmount = math.MaxInt64
)

// meterOf returns the tokens that a provider says it counted, unless what it
// says cannot be believed.
func meterOf(u *middleware.Usage) (meter, bool) {
	if u == nil || !u.Reported {
		return meter{}, false
	}
	if min(u.InputTokens, u.OutputTokens, u.TotalTokens, u.CachedTokens, u.CacheWriteTokens, u.ReasoningTokens) < 0 {
		return meter{}, false
	}
	if max(u.InputTokens, u.OutputTokens, u.TotalTokens, u.CachedTokens, u.CacheWriteTokens, u.ReasoningTokens) > maxUsage {
		return meter{}, false
	}
	m := meter{
		input: u.InputTokens, cached: u.CachedTokens, written: u.CacheWriteTokens,
		output: u.OutputTokens, reasoning: u.ReasoningTokens,
	}
	if m.cached+m.written > m.input {
		return meter{}, false
	}
	// Some providers leave the reasoning out of the output, and some count it
	// in the total alone.
	m.output = max(m.output, u.TotalTokens-m.input)
	if m.reasoning > m.output {
		m.output += m.reasoning
	}
	m.total = m.input + m.output
	return m, m.total > 0 && m.total <= maxUsage
}
