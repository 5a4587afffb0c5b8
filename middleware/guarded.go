package middleware

// A Guarded is what an adapter says of something that it guards, for those who want to
// know what stands around it, such as package coverage: what it returns has a method
// Guarded() Guarded.
type Guarded struct {
	Kind         Kind
	Name         string        // that its calls have
	Interceptors []Interceptor // the first outermost

	// Inner is what they guard, with what is guarded within, as calls reach it. Parts
	// are called in place of what Inner has: the tools of an agent, the memory of a chain.
	Inner any
	Parts []any
}

// Sees reports whether calls of the kind come to the layer where it stands, and are
// not passed on at once.
func (l Layer) Sees(kind Kind) bool { return l.sees(kind) }
