package langchaingo

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"reflect"

	"example.com/safeconduct/middleware"
)

// inPlace is the error of a call whose Input is no longer what it was when the call
// began: what gates outside of the change have judged, and recorders noted, is not
// what would run.
func inPlace(call middleware.Call) error {
	return fmt.Errorf("langchaingo: %s %s: an interceptor modified the input in place: it must pass on a copy that it changed",
		call.Kind, call.Name)
}

// A mark tells whether the values of a map were changed in place. It looks into
// maps, slices and structs, and not at what stands behind a pointer.
type mark struct {
	seed maphash.Seed
	sum  uint64
}

// markOf returns the mark of m, whose values hash hashes: text or value.
func markOf[V any](m map[string]V, hash func(maphash.Seed, V) uint64) mark {
	seed := maphash.MakeSeed()
	return mark{seed, sumOf(seed, m, hash)}
}

// holds reports whether m still has the values that it had.
func holds[V any](k mark, m map[string]V, hash func(maphash.Seed, V) uint64) bool {
	return sumOf(k.seed, m, hash) == k.sum
}

func sumOf[V any](seed maphash.Seed, m map[string]V, hash func(maphash.Seed, V) uint64) uint64 {
	sum := uint64(len(m))
	for name, v := range m {
		sum += entry(text(seed, name), hash(seed, v)) // in no order
	}
	return sum
}

// entry returns the hash of a name, or a key, and its value.
func entry(name, v uint64) uint64 { return (bits.RotateLeft64(name, 32) ^ v) * (name | 1) }

func text(seed maphash.Seed, s string) uint64 { return maphash.String(seed, s) }

// value hashes a chain's value.
func value(seed maphash.Seed, v any) uint64 {
	if s, ok := v.(string); ok {
		return text(seed, s)
	}
	return reflected(seed, reflect.ValueOf(v))
}

func reflected(seed maphash.Seed, v reflect.Value) uint64 {
	m := marker{seed: seed}
	return m.sum(v, maxMarked)
}

// maxMarked is how deep a mark looks. Slices and maps can hold themselves.
const maxMarked = 32

// A marker hashes one value.
type marker struct {
	seed maphash.Seed
	sums map[shared]uint64 // of slices and maps; nil as long as there is none
}

// A shared is a slice or a map that may stand in many places of a value, as it is
// looked at from one level.
type shared struct {
	t           reflect.Type
	p           uintptr
	len, levels int
}

func (m *marker) sum(v reflect.Value, levels int) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	m.write(&h, v, levels)
	return h.Sum64()
}

// once returns what f makes of a slice or a map, which it is asked once.
func (m *marker) once(v reflect.Value, levels int, f func() uint64) uint64 {
	at := shared{v.Type(), v.Pointer(), v.Len(), levels}
	sum, ok := m.sums[at]
	if !ok {
		sum = f()
		if m.sums == nil {
			m.sums = make(map[shared]uint64)
		}
		m.sums[at] = sum
	}
	return sum
}

func number(h *maphash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	_, _ = h.Write(b[:]) // has no errors
}

// write writes a value, so far as it is no pointer to one.
func (m *marker) write(h *maphash.Hash, v reflect.Value, levels int) {
	number(h, uint64(v.Kind()))
	if levels == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		number(h, uint64(v.Len()))
		_, _ = h.WriteString(v.String()) // has no errors
	case reflect.Bool:
		if v.Bool() {
			number(h, 1)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		number(h, uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		number(h, v.Uint())
	case reflect.Float32, reflect.Float64:
		number(h, math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		number(h, math.Float64bits(real(v.Complex())))
		number(h, math.Float64bits(imag(v.Complex())))
	case reflect.Slice:
		number(h, uint64(v.Len()))
		switch {
		case v.Type().Elem().Kind() == reflect.Uint8:
			_, _ = h.Write(v.Bytes()) // has no errors
		case holdsMore(v.Type().Elem()):
			number(h, m.once(v, levels, func() uint64 { return m.items(v, levels-1) }))
		default:
			number(h, m.items(v, levels-1))
		}
	case reflect.Array:
		for i := range v.Len() {
			m.write(h, v.Index(i), levels-1)
		}
	case reflect.Map:
		number(h, m.once(v, levels, func() uint64 { return m.entries(v, levels-1) }))
	case reflect.Struct:
		for i := range v.NumField() {
			m.write(h, v.Field(i), levels-1)
		}
	case reflect.Interface:
		m.write(h, v.Elem(), levels-1)
	case reflect.Pointer, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		number(h, uint64(v.Pointer()))
	case reflect.Invalid:
	}
}

func (m *marker) items(v reflect.Value, levels int) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	for i := range v.Len() {
		m.write(&h, v.Index(i), levels)
	}
	return h.Sum64()
}

func (m *marker) entries(v reflect.Value, levels int) uint64 {
	sum := uint64(v.Len())
	for i := v.MapRange(); i.Next(); {
		sum += entry(m.sum(i.Key(), levels), m.sum(i.Value(), levels))
	}
	return sum
}

// holdsMore reports whether values of a type can hold slices and maps.
func holdsMore(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface, reflect.Slice, reflect.Map, reflect.Struct, reflect.Array:
		return true
	}
	return false
}
