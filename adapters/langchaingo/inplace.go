package langchaingo

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
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

func markOf[V any](m map[string]V) mark {
	seed := maphash.MakeSeed()
	return mark{seed, sumOf(seed, m)}
}

// holds reports whether m still has the values that it had.
func holds[V any](k mark, m map[string]V) bool { return sumOf(k.seed, m) == k.sum }

func sumOf[V any](seed maphash.Seed, m map[string]V) uint64 {
	sum := uint64(len(m))
	for name, v := range m {
		var h maphash.Hash
		h.SetSeed(seed)
		text(&h, name)
		if s, ok := any(v).(string); ok {
			text(&h, s)
		} else {
			write(&h, reflect.ValueOf(v), maxMarked)
		}
		sum += h.Sum64() // in no order
	}
	return sum
}

// maxMarked is how deep a mark looks. Slices and maps can hold themselves.
const maxMarked = 32

func text(h *maphash.Hash, s string) {
	number(h, uint64(len(s)))
	_, _ = h.WriteString(s) // has no errors
}

func number(h *maphash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	_, _ = h.Write(b[:]) // has no errors
}

// write writes a value to h, so far as it is no pointer to one.
func write(h *maphash.Hash, v reflect.Value, levels int) {
	number(h, uint64(v.Kind()))
	if levels == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		text(h, v.String())
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
	case reflect.Slice, reflect.Array:
		number(h, uint64(v.Len()))
		for i := range v.Len() {
			write(h, v.Index(i), levels-1)
		}
	case reflect.Map:
		sum := uint64(v.Len())
		for i := v.MapRange(); i.Next(); {
			var entry maphash.Hash
			entry.SetSeed(h.Seed())
			write(&entry, i.Key(), levels-1)
			write(&entry, i.Value(), levels-1)
			sum += entry.Sum64()
		}
		number(h, sum)
	case reflect.Struct:
		for i := range v.NumField() {
			write(h, v.Field(i), levels-1)
		}
	case reflect.Interface:
		write(h, v.Elem(), levels-1)
	case reflect.Pointer, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		number(h, uint64(v.Pointer()))
	case reflect.Invalid:
	}
}
