package middleware

import "context"

// A Within is state that a call keeps for itself and the calls within it, and
// that nothing else sees. It is for an [Interceptor] that has to know whether it
// is around a call already: unlike a value in the context, it is also found where
// the Interceptor works in a [Shadow], whose context goes nowhere. The zero
// Within is ready to use and must not be copied after. A Within is safe for
// concurrent use; what it holds is as safe as T is.
type Within[T any] struct{ _ byte } // not of size zero: its address is its key

// A withinEntry is what one call keeps in one Within.
type withinEntry struct {
	key, value any
	next       *withinEntry
}

type withinValue[T any] struct {
	withinEntry
	value T
}

// New returns a new T, zero, that the call that ctx belongs to keeps from now on,
// in the place of what it kept before. Outside of a wrapped call nobody finds it.
func (w *Within[T]) New(ctx context.Context) *T {
	v := new(withinValue[T])
	s := scopeOf(ctx)
	if s == nil {
		return &v.value
	}
	v.key, v.withinEntry.value = w, &v.value
	for {
		v.next = s.kept.Load()
		if s.kept.CompareAndSwap(v.next, &v.withinEntry) {
			return &v.value
		}
	}
}

// Find returns what the call that ctx belongs to keeps, or else the nearest call
// around it that keeps something; nil if there is none.
func (w *Within[T]) Find(ctx context.Context) *T {
	for s := scopeOf(ctx); s != nil; s = s.parent {
		for k := s.kept.Load(); k != nil; k = k.next {
			if have, ok := k.key.(*Within[T]); ok && have == w {
				return k.value.(*T)
			}
		}
	}
	return nil
}
