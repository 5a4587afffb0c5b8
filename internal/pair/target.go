package pair

import (
	"crypto/sha256"
	"testing"
	"time"
)

// referenceTime is what SHA-256 of 1 KiB takes on the machine on which goals
// are set.
const referenceTime = 680 * time.Nanosecond

// SHA256 is the reference of [TargetTime]: SHA-256 of 1 KiB.
func SHA256(n int) {
	var block [1024]byte
	for range n {
		sum := sha256.Sum256(block[:])
		block[0] = sum[0]
	}
}

// Target reports how the subject meets a goal that is a multiple of what the
// reference takes. The metric goal-x is the measured ratio over the goal, at
// most 1 where the goal is met; goal-x-low and goal-x-high bound it with 95%
// confidence. A measurement that is void three times skips the benchmark.
func Target(b *testing.B, goal float64, reference, subject Subject) {
	b.Helper()
	report(b, goal, func() ([]Result, error) { return Compare(reference, subject) })
}

// report measures a subject, three times at most if the measurement is void.
func report(b *testing.B, goal float64, compare func() ([]Result, error)) {
	b.Helper()
	var res Result
	for b.Loop() {
		res = measure(b, compare)
	}
	b.ReportMetric(res.Ratio/goal, "goal-x")
	b.ReportMetric(res.Low/goal, "goal-x-low")
	b.ReportMetric(res.High/goal, "goal-x-high")
	b.ReportMetric(res.NS, "ns/op")
}

// TargetTime is [Target] for a goal in time, scaled by what SHA-256 of 1 KiB
// takes here and took where the goal was set.
func TargetTime(b *testing.B, goal time.Duration, subject Subject) {
	b.Helper()
	Target(b, float64(goal)/float64(referenceTime), SHA256, subject)
}

// TargetCaller is [TargetTime] for what the subject costs its caller, without what
// others do for it meanwhile; see [CompareCallers].
func TargetCaller(b *testing.B, goal time.Duration, settle func(), subject Subject) {
	b.Helper()
	report(b, float64(goal)/float64(referenceTime), func() ([]Result, error) {
		return CompareCallers(settle, SHA256, subject)
	})
}

func measure(b *testing.B, compare func() ([]Result, error)) Result {
	b.Helper()
	var err error
	for range 3 {
		var results []Result
		if results, err = compare(); err == nil {
			return results[0]
		}
	}
	b.Skip(err)
	panic("unreachable")
}

// WantAllocs fails the benchmark or test unless f makes exactly so many
// allocations.
func WantAllocs(tb testing.TB, want float64, f func()) {
	tb.Helper()
	if got := testing.AllocsPerRun(1000, f); got != want {
		tb.Errorf("got %v allocations, want %v", got, want)
	}
}
