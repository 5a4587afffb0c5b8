package langchaingo

import (
	"context"
	"reflect"

	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/middleware"
)

// Memory guards what is saved to a memory, and not what is loaded. Each save is a Call
// of KindChain with the name "memory", whose Input are the chain's inputs and whose
// Output its outputs: they are saved as the interceptors passed them on. A denial
// saves nothing and comes back as the error of SaveContext. [Chain] and [Executor]
// guard the memory of what they wrap by themselves.
//
// A memory that is already guarded is not wrapped twice; see [Tool], also for when
// Memory panics. The memory that it returns is as safe for concurrent use as m.
func Memory(m schema.Memory, is ...middleware.Interceptor) schema.Memory {
	if isNil(m) {
		panic("langchaingo: Memory: nil memory")
	}
	middleware.Reach{
		What: "langchaingo: Memory(" + typeName(m) + ")", Kinds: []middleware.Kind{middleware.KindChain}, Alone: true,
		Instead: "Guard the chain that has the memory, with langchaingo.Chain or Executor",
	}.Check(is...)
	return guardMemory(m, is)
}

func guardMemory(m schema.Memory, is []middleware.Interceptor) *guardedMemory {
	if g, ok := m.(*guardedMemory); ok {
		m, is = g.Memory, middleware.Merge(middleware.KindChain, is, g.is)
	}
	g := &guardedMemory{Memory: m, is: is}
	outer := append([]middleware.Interceptor{g.save}, is...)
	g.handler = middleware.Wrap(judgeSave, outer...)
	return g
}

// A guardedMemory is a memory whose saves are judged.
type guardedMemory struct {
	schema.Memory
	is      []middleware.Interceptor
	handler middleware.Handler
	turns   *turns // of the chain whose memory it is; nil without one
}

// A memorySave is one SaveContext under way.
type memorySave struct {
	given           map[string]any // inputs as they came
	was             fingerprint    // of them
	inputs, outputs map[string]any
}

// Unwrap returns the memory without its guard.
func (m *guardedMemory) Unwrap() schema.Memory { return m.Memory }

// Guarded says what stands around the memory.
func (m *guardedMemory) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindChain, Name: "memory", Interceptors: m.is, Inner: m.Memory}
}

// String prints the order of the interceptors.
func (m *guardedMemory) String() string { return onion(middleware.KindChain, "memory", m.is) }

// SaveContext saves what the interceptors let through.
func (m *guardedMemory) SaveContext(ctx context.Context, inputs, outputs map[string]any) error {
	more := m.turns.take(outputs)
	defer more.End()
	ctx = more.Context(ctx)
	f := &frame[memorySave]{ctx, memorySave{given: inputs, was: fingerprintOf(inputs, hashValue), outputs: outputs}}
	_, err := m.handler(f, middleware.Call{Kind: middleware.KindChain, Name: "memory", Input: inputs})
	return err
}

// save stands outside of all gates and saves what came through them.
func (m *guardedMemory) save(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		if err != nil {
			return res, err
		}
		f := frameOf[memorySave](ctx)
		out, ok := res.Output.(map[string]any)
		if f == nil || !ok {
			return middleware.Result{}, wrongOutput(call.Kind, call.Name, res.Output)
		}
		if err := m.Memory.SaveContext(ctx, f.inputs, out); err != nil {
			return middleware.Result{}, err
		}
		return res, nil
	}
}

// judgeSave is reached by a save that every gate on the inputs allowed.
func judgeSave(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	f, in, err := frameAndInput[memorySave, map[string]any](ctx, call)
	if err != nil {
		return middleware.Result{}, err
	}
	if !unchanged(f.was, f.given, hashValue) {
		return middleware.Result{}, modifiedInPlace(call)
	}
	f.inputs = in
	return middleware.Result{Output: f.outputs}, nil
}

// sameValue reports whether a and b are one value; values that cannot be compared
// are not.
func sameValue(a, b any) bool {
	if a == nil || b == nil || reflect.TypeOf(a) != reflect.TypeOf(b) || !reflect.TypeOf(a).Comparable() {
		return false
	}
	defer func() { _ = recover() }() // an interface field that holds a map
	return a == b
}
