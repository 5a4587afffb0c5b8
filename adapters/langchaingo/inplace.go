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

// modifiedInPlace is the error of a call whose Input is no longer what it was when the
// call began: what would run is not what gates outside of the change have judged, and
// recorders noted.
func modifiedInPlace(call middleware.Call) error {
	return fmt.Errorf("langchaingo: %s %s: an interceptor modified the input in place: it must pass on a copy that it changed",
		call.Kind, call.Name)
}

// A fingerprint shows whether the values of a map were changed in place. It covers what
// is in maps, slices and structs, and not what stands behind a pointer.
type fingerprint struct {
	seed maphash.Seed
	sum  uint64
}

// fingerprintOf returns the mark of m, whose values hash hashes: text or value.
func fingerprintOf[V any](m map[string]V, hash func(maphash.Seed, V) uint64) fingerprint {
	seed := maphash.MakeSeed()
	return fingerprint{seed, sumOf(seed, m, hash)}
}

// unchanged reports whether m still has the values of which k is the fingerprint.
func unchanged[V any](k fingerprint, m map[string]V, hash func(maphash.Seed, V) uint64) bool {
	return sumOf(k.seed, m, hash) == k.sum
}

func sumOf[V any](seed maphash.Seed, m map[string]V, hash func(maphash.Seed, V) uint64) uint64 {
	sum := uint64(len(m))
	for name, v := range m {
		sum += hashEntry(hashText(seed, name), hash(seed, v)) // in no order
	}
	return sum
}

// hashEntry returns the hash of a name, or a key, and its value.
func hashEntry(name, v uint64) uint64 { return (bits.RotateLeft64(name, 32) ^ v) * (name | 1) }

func hashText(seed maphash.Seed, s string) uint64 { return maphash.String(seed, s) }

// hashValue hashes a chain's value.
func hashValue(seed maphash.Seed, v any) uint64 {
	if s, ok := v.(string); ok {
		return hashText(seed, s)
	}
	return hashReflected(seed, reflect.ValueOf(v))
}

func hashReflected(seed maphash.Seed, v reflect.Value) uint64 {
	m := fingerprinter{seed: seed}
	return m.sum(v, maxFingerprintDepth)
}

// maxFingerprintDepth is how deep a fingerprint goes. Slices and maps can hold
// themselves.
const maxFingerprintDepth = 32

// A fingerprinter hashes one value.
type fingerprinter struct {
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

func (m *fingerprinter) sum(v reflect.Value, levels int) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	m.write(&h, v, levels)
	return h.Sum64()
}

// once returns what f makes of a slice or a map, and calls f only the first time.
func (m *fingerprinter) once(v reflect.Value, levels int, f func() uint64) uint64 {
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

func writeNumber(h *maphash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	_, _ = h.Write(b[:]) // has no errors
}

// write writes a value; of a pointer, only the address.
func (m *fingerprinter) write(h *maphash.Hash, v reflect.Value, levels int) {
	writeNumber(h, uint64(v.Kind()))
	if levels == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		writeNumber(h, uint64(v.Len()))
		_, _ = h.WriteString(v.String()) // has no errors
	case reflect.Bool:
		if v.Bool() {
			writeNumber(h, 1)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		writeNumber(h, uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		writeNumber(h, v.Uint())
	case reflect.Float32, reflect.Float64:
		writeNumber(h, math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		writeNumber(h, math.Float64bits(real(v.Complex())))
		writeNumber(h, math.Float64bits(imag(v.Complex())))
	case reflect.Slice:
		writeNumber(h, uint64(v.Len()))
		switch {
		case v.Type().Elem().Kind() == reflect.Uint8:
			_, _ = h.Write(v.Bytes()) // has no errors
		case holdsMore(v.Type().Elem()):
			writeNumber(h, m.once(v, levels, func() uint64 { return m.items(v, levels-1) }))
		default:
			writeNumber(h, m.items(v, levels-1))
		}
	case reflect.Array:
		for i := range v.Len() {
			m.write(h, v.Index(i), levels-1)
		}
	case reflect.Map:
		writeNumber(h, m.once(v, levels, func() uint64 { return m.entries(v, levels-1) }))
	case reflect.Struct:
		for i := range v.NumField() {
			m.write(h, v.Field(i), levels-1)
		}
	case reflect.Interface:
		m.write(h, v.Elem(), levels-1)
	case reflect.Pointer, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		writeNumber(h, uint64(v.Pointer()))
	case reflect.Invalid:
	}
}

func (m *fingerprinter) items(v reflect.Value, levels int) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	for i := range v.Len() {
		m.write(&h, v.Index(i), levels)
	}
	return h.Sum64()
}

func (m *fingerprinter) entries(v reflect.Value, levels int) uint64 {
	sum := uint64(v.Len())
	for i := v.MapRange(); i.Next(); {
		sum += hashEntry(m.sum(i.Key(), levels), m.sum(i.Value(), levels))
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
