package gates

import "strconv"

// A Dim is one thing that a [Budget] counts.
type Dim uint8

// What is counted, in the order in which limits are checked.
const (
	DimToolCalls Dim = iota
	DimModelCalls
	DimInputTokens
	DimOutputTokens
	DimCachedTokens
	DimReasoningTokens
	DimTokens // input and output
	DimCost   // micro-dollars

	Dims = 8
)

// String returns the name of the limit, as in a [middleware.Balance]:
// "tool_calls", "model_calls", "input_tokens", "output_tokens", "cached_tokens",
// "reasoning_tokens", "tokens" or "cost".
func (d Dim) String() string {
	if d >= Dims {
		return "dim(" + strconv.Itoa(int(d)) + ")"
	}
	return [Dims]string{
		"tool_calls", "model_calls", "input_tokens", "output_tokens",
		"cached_tokens", "reasoning_tokens", "tokens", "cost",
	}[d]
}

// Amounts are an amount of each [Dim]. They are never negative, and saturate at
// math.MaxInt64. The zero Amounts are nothing.
type Amounts [Dims]int64

// within returns the amounts where there is a limit, and zero elsewhere: what is
// not limited is not counted.
func (a Amounts) within(limits *Amounts) Amounts {
	for d := range a {
		if limits[d] == 0 {
			a[d] = 0
		}
	}
	return a
}

// sum returns a + b of numbers that are not negative, at most the largest one.
func sum(a, b int64) int64 {
	if a > maxAmount-b {
		return maxAmount
	}
	return a + b
}

// product returns a * b of numbers that are not negative, at most the largest
// one.
func product(a, b int64) int64 {
	if a != 0 && b > maxAmount/a {
		return maxAmount
	}
	return a * b
}
