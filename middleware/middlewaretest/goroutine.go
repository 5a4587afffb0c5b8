package middlewaretest

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
)

// labelKey is the key of the profiler label that goroutines under test bear.
// Goroutines inherit the labels of the one that starts them: so the goroutines
// of tests that run at the same time are told apart.
const labelKey = "middlewaretest"

// labelled starts a goroutine that bears the kit's label.
func (k *kit) labelled(f func()) {
	go pprof.Do(context.Background(), pprof.Labels(labelKey, k.label), func(context.Context) { f() })
}

// goroutines checks that no goroutine is left that a call started. One that is
// on its way out is given time to go.
func (k *kit) goroutines() {
	var left string
	for range 100 {
		if left = k.leftOver(); left == "" {
			return
		}
		for range 100 {
			runtime.Gosched()
		}
	}
	k.broken(ruleGoroutine, "", "still there when all calls had returned and their contexts were cancelled:\n%s", left)
}

// leftOver returns the stacks of goroutines that bear the kit's label.
func (k *kit) leftOver() string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return ""
	}
	var left []string
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, strconv.Quote(k.label)) {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n")
}
