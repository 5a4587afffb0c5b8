package langchaingo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// A frame is the context of one call through a wrapper. It carries what the
// framework-neutral Call has no place for.
type frame[T any] struct {
	context.Context
	call T
}

type frameKey[T any] struct{}

// Value makes the frame findable in contexts derived from it.
func (f *frame[T]) Value(key any) any {
	if _, ok := key.(frameKey[T]); ok {
		return &f.call
	}
	return f.Context.Value(key)
}

// frameOf returns what the innermost frame of its type carries, or nil.
func frameOf[T any](ctx context.Context) *T {
	t, _ := ctx.Value(frameKey[T]{}).(*T)
	return t
}

var errForeignContext = errors.New("langchaingo: an interceptor passed on a context that is not derived from the call's")

// frameAndInput returns what the frame of the call carries, and its Input as an I.
func frameAndInput[T, I any](ctx context.Context, call middleware.Call) (f *T, in I, err error) {
	if f = frameOf[T](ctx); f == nil {
		return nil, in, errForeignContext
	}
	in, err = input[I](call)
	return f, in, err
}

// input returns the Call's Input as a T.
func input[T any](call middleware.Call) (T, error) {
	in, ok := call.Input.(T)
	if !ok {
		return in, fmt.Errorf("langchaingo: %s %s: an interceptor put a %T in place of the input, want %T",
			call.Kind, call.Name, call.Input, in)
	}
	return in, nil
}

func wrongOutput(kind middleware.Kind, name string, got any) error {
	return fmt.Errorf("langchaingo: %s %s: an interceptor put a %T in place of the output", kind, name, got)
}

// guards are the interceptors of an agent: those for each kind of call that it
// makes, as an order that is merged holds for one kind.
type guards struct{ plan, tool, model []middleware.Interceptor }

func newGuards(is []middleware.Interceptor) guards { return guards{is, is, is} }

// outsideOf returns g outside of the guards that an agent has already.
func (g guards) outsideOf(own guards) guards {
	return guards{
		plan:  middleware.Merge(middleware.KindPlan, g.plan, own.plan),
		tool:  middleware.Merge(middleware.KindTool, g.tool, own.tool),
		model: middleware.Merge(middleware.KindModel, g.model, own.model),
	}
}

// typeName names a chain, model or agent by the name that was given to it, or else by its
// type: those of langchaingo's chains and agents packages as "LLMChain", all others as
// "openai.LLM".
func typeName(v any) string {
	if n, ok := v.(namedThing); ok {
		return n.givenName()
	}
	name := strings.TrimLeft(fmt.Sprintf("%T", v), "*")
	name = strings.TrimPrefix(name, "chains.")
	return strings.TrimPrefix(name, "agents.")
}

// isNil reports whether v is nil or a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// onion says, for people, what guards a value.
func onion(kind middleware.Kind, name string, is []middleware.Interceptor) string {
	return fmt.Sprintf("%s %s, guarded by\n%s", kind, name, middleware.Onion(is...))
}

func isDenied(err error) bool {
	d, _ := foreign.As[*middleware.DeniedError](err)
	return d != nil
}
