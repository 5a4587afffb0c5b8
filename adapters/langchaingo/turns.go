package langchaingo

import (
	"context"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"example.com/safeconduct/middleware"
)

// langchaingo calls a chain and then, if that went well, has its memory save what came
// of it. Both are one turn, and so one run: the run of the chain is extended until the
// save, which gets the very map that the chain returned.

// maxTurns bounds the turns of a chain that wait for their save. Where a callback
// panics, or ends its goroutine, it never comes.
const maxTurns = 64

// turns are those of one chain that wait for their save.
type turns struct {
	mu   sync.Mutex
	open []turn // the oldest first
}

// A turn waits for its outputs to be saved.
type turn struct {
	outputs map[string]any
	more    *middleware.Extension
}

// await has the turn go on until its outputs are saved. Where another turn waits with the
// same map, nobody could tell their saves apart: both end.
func (t *turns) await(next turn) {
	if other := t.take(next.outputs); other != nil {
		other.End()
		next.more.End()
		return
	}
	t.mu.Lock()
	t.open = append(t.open, next)
	var oldest *middleware.Extension
	if len(t.open) > maxTurns {
		oldest = t.open[0].more
		t.open = slices.Delete(t.open, 0, 1)
	}
	t.mu.Unlock()
	oldest.End()
}

// take returns what extends the run that the outputs came of, or nil where none waits
// for them.
func (t *turns) take(outputs map[string]any) *middleware.Extension {
	if t == nil || outputs == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, waiting := range t.open {
		if reflect.ValueOf(waiting.outputs).Pointer() == reflect.ValueOf(outputs).Pointer() {
			t.open = slices.Delete(t.open, i, i+1)
			return waiting.more
		}
	}
	return nil
}

// isSaved reports whether langchaingo called Call, which asks this, and will save what
// comes of it: as its chains.Call does, which checks the outputs first.
func (c *chain) isSaved() bool {
	if _, guarded := c.GetMemory().(*guardedMemory); !guarded {
		return false // there is none, or one that keeps nothing
	}
	var pc [1]uintptr
	if runtime.Callers(3, pc[:]) == 0 {
		return false
	}
	caller, _ := runtime.CallersFrames(pc[:]).Next()
	return strings.HasSuffix(caller.Function, "github.com/tmc/langchaingo/chains.callChain")
}

// extend extends the run where the save is to be a part of it.
func (c *chainCall) extend(ctx context.Context) {
	if c.isSaved && c.more == nil { // a chain may be called again
		c.run, c.more = middleware.RunOf(ctx), middleware.Extend(ctx)
	}
}

// finish ends the run that Call extended, unless it is to go on with the save of what Call
// returns, nil where it failed.
func (c *chain) finish(call *chainCall, outputs map[string]any) {
	lacks := func(key string) bool { _, there := outputs[key]; return !there }
	switch {
	case call.more == nil:
	case outputs == nil || call.run.Stopped() != nil || slices.ContainsFunc(c.GetOutputKeys(), lacks):
		call.more.End()
	default:
		c.memory.turns.await(turn{outputs, call.more})
	}
}
