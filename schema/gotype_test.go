package schema_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"example.com/safeconduct/schema"
)

type Base struct {
	ID   string `json:"id"`
	Note string `json:"note,omitempty"`
}

type Item struct {
	Name  string  `json:"name" jsonschema:"what it is called"`
	Count uint8   `json:"count"`
	Price float64 `json:"price,omitzero"`
}

type everything struct {
	Base
	*Item
	When    time.Time          `json:"when"`
	Took    time.Duration      `json:"took"`
	Maybe   *string            `json:"maybe"`
	Items   []Item             `json:"items"`
	Pair    [2]int16           `json:"pair"`
	Named   map[string]Item    `json:"named"`
	Any     any                `json:"any"`
	Raw     json.RawMessage    `json:"raw"`
	Number  json.Number        `json:"number"`
	Bytes   []byte             `json:"bytes"`
	Large   *big.Int           `json:"large"`
	Address netip.Addr         `json:"address"`
	Anon    struct{ A bool }   `json:"anon"`
	Left    int                `json:"-"`
	ByAddr  map[netip.Addr]int `json:"by_addr"`
	Plain   int64
	unseen  int //nolint:unused // what encoding/json does not see
}

const everythingText = `{"id":"x","name":"y","count":1,"when":"2024-02-29T12:00:00Z","took":5,"maybe":null,"items":[{"name":"z","count":255}],` +
	`"pair":[1,-32768],"named":{"a":{"name":"b","count":0,"price":0.5}},"any":[{}],"raw":{"r":[1]},"number":1.50,"bytes":"aGk=","large":123456789012345678901,` +
	`"address":"192.0.2.1","anon":{"A":true},"by_addr":{"192.0.2.1":1},"Plain":9}`

func TestForAndDecode(t *testing.T) {
	s, err := schema.For[everything]()
	if err != nil {
		t.Fatal(err)
	}
	v, err := schema.Decode[everything](s, []byte(everythingText))
	if err != nil {
		t.Fatal(err)
	}
	var want everything
	if err := json.Unmarshal([]byte(everythingText), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v, want %+v", v, want)
	}
	// What encoding/json makes of it satisfies the schema.
	if err := s.ValidateValue(v); err != nil {
		t.Errorf("got %v, want no error", err)
	}

	for _, tc := range []struct{ old, new, pointer, keyword string }{
		{`"id":"x",`, ``, "", "required"},
		{`"id":"x",`, `"id":"x","note":"y",`, "", ""}, // omitempty
		{`"id":"x",`, `"id":"x","unseen":1,`, "", "additionalProperties"},
		{`"id":"x",`, `"id":"x","Left":1,`, "", "additionalProperties"},
		{`"id":"x",`, `"id":"x","ID":"y",`, "", schema.KeywordTwin},
		{`"id":"x",`, `"id":5,`, "/id", "type"},
		{`"maybe":null`, `"maybe":"m"`, "", ""},
		{`"count":255`, `"count":256`, "/items/0/count", "maximum"},
		{`"count":255`, `"count":-1`, "/items/0/count", "minimum"},
		{`"count":255`, `"count":1.5`, "/items/0/count", "type"},
		{`"items":[{`, `"items":[{"x":1,`, "/items/0", "additionalProperties"},
		{`"items":[{"name":"z","count":255}]`, `"items":null`, "", ""},
		{`[1,-32768]`, `[1]`, "/pair", "minItems"},
		{`[1,-32768]`, `[1,-32769]`, "/pair/1", "minimum"},
		{`"2024-02-29T12:00:00Z"`, `"2024-02-30T12:00:00Z"`, "/when", "format"},
		{`"2024-02-29T12:00:00Z"`, `null`, "/when", "type"},
		{`"number":1.50`, `"number":"1"`, "/number", "type"},
		{`"bytes":"aGk="`, `"bytes":[1]`, "/bytes", "type"},
		{`"bytes":"aGk="`, `"bytes":"!"`, "", schema.KeywordFit},
		{`123456789012345678901`, `1.5`, "/large", "type"},
		{`"address":"192.0.2.1"`, `"address":"nowhere"`, "", schema.KeywordFit},
		{`"took":5`, `"took":1e3`, "/took", schema.KeywordFit},
		{`"Plain":9`, `"Plain":9.0`, "/Plain", schema.KeywordFit},
		{`"Plain":9`, `"Plain":9223372036854775808`, "/Plain", schema.KeywordFit},
		{`"price":0.5`, `"price":9e308`, "/named/price", schema.KeywordFit},
		{`"by_addr":{"192.0.2.1":1}`, `"by_addr":{"x":1}`, "", schema.KeywordFit},
	} {
		text := strings.Replace(everythingText, tc.old, tc.new, 1)
		v, err := schema.Decode[everything](s, []byte(text))
		if tc.keyword == "" {
			if err != nil {
				t.Errorf("%s: got %v, want no error", tc.new, err)
			}
			continue
		}
		if got := violations(err); len(got) != 1 || got[0].Keyword != tc.keyword ||
			tc.keyword != schema.KeywordFit && got[0].Pointer != tc.pointer || tc.pointer != "" && got[0].Pointer != tc.pointer {
			t.Errorf("%s: got %v, want a violation of %s at %q", tc.new, err, tc.keyword, tc.pointer)
		}
		if !reflect.DeepEqual(v, everything{}) {
			t.Errorf("%s: got %+v and an error, want the zero value", tc.new, v)
		}
	}
}

// level is a byte whose JSON is a text.
type level uint8

func (l level) MarshalText() ([]byte, error) { return []byte("level " + strconv.Itoa(int(l))), nil }

func (l *level) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimPrefix(string(text), "level "))
	*l = level(n)
	return err
}

// An octet has an UnmarshalText alone, so that encoding/json makes a text of many.
type octet uint8

func (o *octet) UnmarshalText([]byte) error { return nil }

// What encoding/json makes of a value of a type satisfies the schema of that type, and
// becomes the value again.
func TestForTakesWhatEncodingJSONMakes(t *testing.T) {
	type embeds struct {
		*Item
		Own  int `json:"own"`
		List []struct {
			*Base
			M map[string]struct{ *Base }
		} `json:"list"`
	}
	takes(t, []level{1, 2})
	takes(t, struct{ Levels []level }{[]level{3}})
	takes(t, [2]level{})
	takes(t, []level(nil))
	takes(t, []octet("ab"))
	takes(t, []byte("ab"))
	takes(t, [2]byte{1, 2})
	takes(t, embeds{})
	takes(t, embeds{Item: &Item{Name: "x"}, List: []struct {
		*Base
		M map[string]struct{ *Base }
	}{{M: map[string]struct{ *Base }{}}, {Base: &Base{}, M: map[string]struct{ *Base }{"a": {}, "b": {&Base{ID: "1"}}}}}})
	for _, f := range []float64{0, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64 * 3, 1e-320, 2.2250738585072014e-308, 0.1} {
		takes(t, f)
	}
	for _, f := range []float32{math.SmallestNonzeroFloat32, math.MaxFloat32} {
		takes(t, f)
	}
	type own struct {
		*Item
		Own int `json:"own"`
	}
	s := schema.MustFor[own]()
	for text, keyword := range map[string]string{`{"own":1}`: "", `{}`: "required", `{"own":1,"count":-1}`: "minimum",
		`{"own":1,"x":1}`: "additionalProperties"} {
		if v := violations(s.Validate([]byte(text))); keyword == "" && len(v) > 0 || keyword != "" && (len(v) != 1 || v[0].Keyword != keyword) {
			t.Errorf("%s: got %v, want a violation of %q", text, v, keyword)
		}
	}
}

func takes[T any](t *testing.T, v T) {
	t.Helper()
	s, err := schema.For[T]()
	if err != nil {
		t.Errorf("%T: got %v, want no error", v, err)
		return
	}
	if err := s.ValidateValue(v); err != nil {
		t.Errorf("%T: got %v, want no error", v, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := schema.Decode[T](s, text); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%s: got %v, %v, want %v", text, got, err, v)
	}
}

// No error of Decode holds what was decoded.
func TestDecodeErrorsAreDiscreet(t *testing.T) {
	type small struct {
		N int8           `json:"n"`
		M map[string]int `json:"m"`
	}
	s := mustCompile(t, `{"properties":{"n":{"type":"number"}}}`)
	for _, text := range []string{`{"n":41117777}`, `{"n":4111777.7}`, `{"n":1,"m":{"4111777":"4111777"}}`, `{"m":"4111777"}`} {
		_, err := schema.Decode[small](s, []byte(text))
		if err == nil || strings.Contains(deep(err), "4111777") {
			t.Errorf("%s: got %v, want an error with nothing of it", text, err)
		}
	}
	if got, err := schema.Decode[small](s, []byte(`{"n":1,"other":2}`)); err != nil || got.N != 1 {
		t.Errorf("a property without a field: got %+v, %v, want it left out", got, err)
	}
	if _, err := schema.Decode[small](new(schema.Schema), []byte(`{}`)); err == nil {
		t.Error("a zero Schema: got no error, want one")
	}
}

// The schema accepts whatever encoding/json writes.
func TestForAcceptsWhatIsEncoded(t *testing.T) {
	type plain struct {
		Base
		Items []Item
		Pair  [2]bool
		Deep  *struct{ P **int32 }
		U16   uint16
		F32   float32
		Bytes []byte
	}
	s := schema.MustFor[plain]()
	check := func(v plain) bool {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := schema.Decode[plain](s, text)
		if err != nil {
			t.Errorf("%s: got %v, want no error", text, err)
			return false
		}
		again, err := json.Marshal(got)
		return err == nil && string(again) == string(text)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

type (
	recursive struct{ Next *recursive }
	ownJSON   struct{}
	stringly  struct {
		N int `json:"n,string"`
	}
	embedsJSON struct{ ownJSON }
	embedsTag  struct {
		Base `json:"base"`
	}
	embedsString struct{ Text }
	Text         string
	twice        struct {
		Base
		Key string `json:"id"`
	}
	embedsPointer struct{ *hidden }
	hidden        struct{ A int }
	quoted        struct {
		A int `json:"it's"` //nolint:staticcheck // which is the fault
	}
	caseTwins struct {
		A int `json:"x"`
		B int `json:"X"`
	}
)

func (ownJSON) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

func TestForErrors(t *testing.T) {
	for _, tc := range []struct {
		of   func() (*schema.Schema, error)
		want string
	}{
		{schema.For[recursive], "schema: recursive: "},
		{schema.For[ownJSON], "schema: ownJSON: schema_test.ownJSON makes its own JSON"},
		{schema.For[[]*ownJSON], "schema: []*schema_test.ownJSON: schema_test.ownJSON makes its own JSON"},
		{schema.For[embedsJSON], "schema: embedsJSON: schema_test.embedsJSON makes its own JSON"},
		{schema.For[embedsTag], "schema: embedsTag: schema_test.embedsTag embeds schema_test.Base, which is more than its fields"},
		{schema.For[embedsString], "schema: embedsString: schema_test.embedsString embeds schema_test.Text"},
		{schema.For[embedsPointer], "schema: embedsPointer: schema_test.embedsPointer embeds *schema_test.hidden, which cannot be decoded"},
		{schema.For[stringly], "schema: stringly: the field N of schema_test.stringly has the option string"},
		{schema.For[quoted], `schema: quoted: the field A of schema_test.quoted has a name that encoding/json does not take`},
		{schema.For[twice], `schema: twice: schema_test.twice has two fields of the name "id"`},
		{schema.For[caseTwins], `schema: caseTwins: schema_test.caseTwins has fields of the names "x" and "X", which differ in case alone`},
		{schema.For[error], "schema: error: error is an interface"},
		{schema.For[struct{ F func() }], "schema: struct { F func() }: "},
		{schema.For[map[int]string], "schema: map[int]string: "},
		{schema.For[complex128], "schema: complex128: "},
	} {
		s, err := tc.of()
		if err == nil || s != nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, %v, want error %s", s, err, tc.want)
		}
	}
	wantPanic(t, "MustFor", "schema: recursive: ForType(schema_test.recursive): cycle detected", func() { schema.MustFor[recursive]() })
	for want, of := range map[string]func() (*schema.Schema, error){
		`{}`:                  schema.For[any],
		`{"type":"integer"}`:  schema.For[int],
		`{"type":"integer"} `: schema.For[time.Duration],
	} {
		s, err := of()
		if err != nil {
			t.Errorf("got %v, want %s", err, want)
			continue
		}
		if got := string(s.JSON()); got != strings.TrimSpace(want) && got != "true" {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
