package record_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/record"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"
)

// TestEncode holds the encoder of records against the one that reflection makes
// and two libraries of RFC 8785.
func TestEncode(t *testing.T) { rapid.Check(t, encodesAsOthersDo) }

func FuzzEncode(f *testing.F) { f.Fuzz(rapid.MakeFuzz(encodesAsOthersDo)) }

func encodesAsOthersDo(t *rapid.T) {
	var r record.Record
	draw(t, "record", reflect.ValueOf(&r).Elem(), false)
	s := record.Subject{Name: nasty().Draw(t, "subject")}
	draw(t, "digest", reflect.ValueOf(&s.Digest).Elem(), false)
	got := record.AppendPayload(nil, s, &r)
	want, err := record.ReflectPayload(s, &r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s as by reflection", got, want)
	}
	canonical := jsontext.Value(bytes.Clone(got))
	if err := canonical.Canonicalize(); err != nil || !bytes.Equal(got, canonical) {
		t.Errorf("got  %s\nwant %s, %v as by jsontext", got, canonical, err)
	}
	if want, err := jcs.Transform(got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s, %v as by jcs", got, want, err)
	}
}

// nasty is text that an encoder of JSON can get wrong.
func nasty() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Just(""),
		rapid.StringMatching(`[a-z_]{1,12}`),
		rapid.Custom(func(t *rapid.T) string { return strings.ToValidUTF8(rapid.String().Draw(t, "text"), "\uFFFD") }),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
				"\x00", "\x01", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x1f", " ", `"`, `\`, "/", "<", ">", "&", "'", "\x7f",
				"\u0080", "\u009f", "\u00e9", "e\u0301", "\u200b", "\u2028", "\u2029", "\ud7ff", "\ue000", "\ufeff", "\ufffd", "\uffff",
				"\U00010000", "\U0001F600", "\U0010FFFF", `\u0041`, `\"`, "\u03a9", "\u2126",
			}), 1, 8).Draw(t, "pieces"), "")
		}),
	)
}

// draw sets v to anything that a record can hold. What is a decimal string in
// JSON may be as large as it gets.
func draw(t *rapid.T, name string, v reflect.Value, isDecimal bool) {
	const exact = 1<<53 - 1
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		sec := rapid.Int64Range(-62135596800, 253402300799).Draw(t, name) // years 1 to 9999
		nsec := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999999999), rapid.Just(int64(120000000))).Draw(t, name)
		*x = time.Unix(sec, nsec).UTC()
		return
	case *record.Hash:
		copy(x[:], rapid.SliceOfN(rapid.Byte(), 0, len(x)).Draw(t, name))
		return
	case *[]byte:
		*x = rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, name)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(nasty().Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Int, reflect.Int64:
		exact := min(int64(exact), 1<<(v.Type().Bits()-1)-1) // an int may have 32 bits
		g := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, 9, 10, exact - 1, exact}), rapid.Int64Range(0, exact))
		if isDecimal {
			g = rapid.OneOf(g, rapid.SampledFrom([]int64{-1, exact + 1, exact + 2, -exact - 2, 1<<63 - 1, -1 << 63}), rapid.Int64())
		}
		v.SetInt(g.Draw(t, name))
	case reflect.Uint32:
		v.SetUint(uint64(rapid.Uint32().Draw(t, name)))
	case reflect.Uint64:
		v.SetUint(rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, exact - 1, exact}), rapid.Uint64Range(0, exact)).Draw(t, name))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, name, v.Elem(), false)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, name)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			draw(t, name, v.Index(i), false)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			draw(t, f.Name, v.Field(i), strings.Contains(f.Tag.Get("json"), ",string"))
		}
	default:
		t.Fatalf("%s: a %s that no record holds", name, v.Kind())
	}
}

// TestEncodeEdges has each field of a record set, and none.
func TestEncodeEdges(t *testing.T) {
	for _, set := range []bool{false, true} {
		var r record.Record
		if set {
			fill(reflect.ValueOf(&r).Elem())
		}
		got := record.AppendPayload(nil, record.Subject{}, &r)
		if want, err := record.ReflectPayload(record.Subject{}, &r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s, %v", got, want, err)
		}
	}
}

// fill sets each field of v to something that is not zero.
func fill(v reflect.Value) {
	if at, ok := v.Addr().Interface().(*time.Time); ok {
		*at = time.Date(2026, 3, 20, 14, 5, 0, 0, time.UTC)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	s, r := goldenRecord()
	var payload []byte
	b.ReportAllocs()
	for b.Loop() {
		payload = record.AppendPayload(nil, s, r)
	}
	_ = payload
}
