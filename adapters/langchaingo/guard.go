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

// find returns the innermost frame of its type, or nil.
func find[T any](ctx context.Context) *T {
	t, _ := ctx.Value(frameKey[T]{}).(*T)
	return t
}

var errForeignContext = errors.New("langchaingo: an interceptor passed on a context that is not derived from the call's")

// input returns the Call's Input as a T.
func input[T any](call middleware.Call) (T, error) {
	in, ok := call.Input.(T)
	if !ok {
		return in, fmt.Errorf("langchaingo: %s %s: an interceptor put a %T in place of the input, want %T", call.Kind, call.Name, call.Input, in)
	}
	return in, nil
}

func wrongOutput(kind middleware.Kind, name string, got any) error {
	return fmt.Errorf("langchaingo: %s %s: an interceptor put a %T in place of the output", kind, name, got)
}

// merge returns the interceptors for a value that was wrapped with own before
// and is now to be wrapped with outer: nothing is wrapped twice, and no gate or
// recorder that stands in both lists sees a call twice.
func merge(outer, own []middleware.Interceptor) []middleware.Interceptor {
	merged := append([]middleware.Interceptor(nil), outer...)
	have := middleware.Layers(outer...)
	for _, i := range own {
		if !repeats(have, middleware.Layers(i)) {
			merged = append(merged, i)
		}
	}
	return merged
}

func repeats(have, layers []middleware.Layer) bool {
	for _, l := range layers {
		for _, h := range have {
			if l.Same(h) {
				return true
			}
		}
	}
	return false
}

// typeName names a chain, model or agent by its type: those of langchaingo's
// chains and agents packages as "LLMChain", all others as "openai.LLM".
func typeName(v any) string {
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

// onion describes a wrapped value for people.
func onion(kind middleware.Kind, name string, is []middleware.Interceptor) string {
	return fmt.Sprintf("%s %s, guarded by\n%s", kind, name, middleware.Onion(is...))
}

func isDenied(err error) bool {
	d, _ := foreign.As[*middleware.DeniedError](err)
	return d != nil
}
