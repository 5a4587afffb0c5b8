package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// A Stream receives one chunk of a streamed output. The chunk is valid until
// the Stream returns; one that a [Hold] releases may be kept. An error ends the
// stream and the call.
//
// [Wrap] calls the Stream of its caller for one chunk at a time, and never after
// the call has returned: a client that has chunks left gets an error for them. The
// call waits for a Stream that its client has called, unless its context ended.
type Stream func(ctx context.Context, chunk Chunk) error

// A Chunk is one piece of a streamed output, as the provider's client cut it.
type Chunk struct {
	Text      []byte // of the answer
	Reasoning []byte // of the model's reasoning, where the caller asked for it

	// ToolCall is a piece of what the model asks for instead of answering, as
	// the client encodes it. Such a chunk has no Text.
	ToolCall []byte

	// Repeats says that the Text or the ToolCall stood in another chunk
	// before: the caller wants them with the Reasoning and without.
	Repeats bool
}

// Len returns how many bytes the chunk carries.
func (c Chunk) Len() int { return len(c.Text) + len(c.Reasoning) + len(c.ToolCall) }

// DefaultMaxHeld is how many bytes of a stream a gate holds, unless [Buffer]
// says otherwise.
const DefaultMaxHeld = 8 << 20

// streamRules say what gates that judge an output do about the stream of it. The
// zero rules hold all of it, up to DefaultMaxHeld.
type streamRules struct {
	pass   bool // nothing is held
	window int  // what is held; zero for all
	most   int  // that may be held; zero for DefaultMaxHeld
}

func (r streamRules) String() string {
	switch {
	case r.pass:
		return "passed through"
	case r.window > 0:
		return fmt.Sprintf("held by a window of %d bytes", r.window)
	}
	return fmt.Sprintf("held up to %d bytes", r.most)
}

// Buffer returns an Interceptor that is i, of which the gates that judge a
// result hold up to maxBytes of a stream: nothing of it is released before the
// verdict, and after one that denies nothing ever is. That is what [After] and
// [TransformResult] do anyway, with [DefaultMaxHeld]. A stream of more is denied
// with [CodeBadOutput]; each chunk counts a few bytes more than it carries.
//
// Buffer panics if maxBytes is not positive or i is nil. See also [Window] and
// [PassThrough]; of several around one gate the innermost holds.
func Buffer(maxBytes int, i Interceptor) Interceptor {
	if maxBytes <= 0 {
		panic(fmt.Sprintf("middleware: Buffer: %d bytes", maxBytes))
	}
	return withStreamRules("Buffer", streamRules{most: maxBytes}, i)
}

// Window is like [Buffer], but its gates hold only the last bytes of a stream:
// what is older is released before the verdict, and cannot be taken back. At least
// that many bytes are held, and whole chunks are released. A gate that denies
// releases nothing more; what had left the call by then is [Trail.Released].
//
// [TransformResult] denies a call whose Output it changed after a part of the
// stream was released. Window panics if bytes is not positive or i is nil.
func Window(bytes int, i Interceptor) Interceptor {
	if bytes <= 0 {
		panic(fmt.Sprintf("middleware: Window: %d bytes", bytes))
	}
	return withStreamRules("Window", streamRules{window: bytes}, i)
}

// PassThrough is like [Buffer], but its gates hold nothing: by the time of the
// verdict all of the stream has been released. It panics if i is nil.
func PassThrough(i Interceptor) Interceptor {
	return withStreamRules("PassThrough", streamRules{pass: true}, i)
}

func withStreamRules(who string, rules streamRules, i Interceptor) Interceptor {
	mustInterceptors(who, []Interceptor{i})
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return withStreamRules(who, rules, Compose(parts...)) })
			l.Stream, l.rules = rules.String(), rules
			return l.Handler()
		}
		inner := i(func(ctx context.Context, call Call) (Result, error) {
			if f := streamFrameOf(ctx); f != nil {
				ctx = f.leave(ctx)
			}
			return next(ctx, call)
		})
		return func(ctx context.Context, call Call) (Result, error) {
			if call.Stream != nil {
				ctx = &streamFrame{ctx, rules, streamFrameOf(ctx)}
			}
			return inner(ctx, call)
		}
	}
}

// A streamFrame is the context of what stands within one Buffer, Window or
// PassThrough.
type streamFrame struct {
	context.Context
	rules streamRules
	outer *streamFrame // nil where there is none
}

type streamKey struct{}

// Value makes the frame findable by the gates that it is for.
func (f *streamFrame) Value(key any) any {
	if _, ok := key.(streamKey); ok {
		return f
	}
	return f.Context.Value(key)
}

func streamFrameOf(ctx context.Context) *streamFrame {
	f, _ := ctx.Value(streamKey{}).(*streamFrame)
	return f
}

// leave returns a context for what stands further inside than f's gates.
func (f *streamFrame) leave(ctx context.Context) context.Context {
	if f.outer == nil {
		return &streamFrame{Context: ctx}
	}
	return &streamFrame{ctx, f.outer.rules, f.outer.outer}
}

// errStreamEnded is what a client gets that goes on after its call has ended.
var errStreamEnded = errors.New("middleware: the call whose stream this is has ended")

// An outlet is where a call's stream leaves it.
type outlet struct {
	to   Stream
	kind Kind // of the call
	name string

	passed   atomic.Int64 // bytes that have left
	ended    atomic.Bool
	chunk    ctxMutex // held while a chunk leaves
	panicked atomic.Pointer[PanicError]
}

// pass passes on a chunk. Where its caller's Stream panics, no interceptor did, from
// which the chunk may come: that is an error of the Stream, after which it gets no more.
func (o *outlet) pass(ctx context.Context, chunk Chunk) (err error) {
	if err := o.chunk.lock(ctx); err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			p := newPanicError(&Call{Kind: o.kind, Name: o.name}, v)
			o.panicked.Store(p)
			err = p
		}
		o.chunk.unlock()
	}()
	if o.ended.Load() {
		return errStreamEnded
	}
	if p := o.panicked.Load(); p != nil {
		return p
	}
	o.passed.Add(int64(chunk.Len()))
	return o.to(ctx, chunk)
}

// end ends the stream of the call that ctx belongs to.
func (o *outlet) end(ctx context.Context) {
	o.ended.Store(true)
	if o.chunk.lock(ctx) == nil {
		o.chunk.unlock()
	}
}
