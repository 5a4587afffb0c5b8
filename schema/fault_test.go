package schema_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

func TestDeepNesting(t *testing.T) {
	s := mustCompile(t, `{}`)
	for _, tc := range []struct {
		depth int
		open  string
		shut  string
		valid bool
	}{
		{schema.MaxDepth, "[", "]", true},
		{schema.MaxDepth, `{"a":`, "}", true},
		{schema.MaxDepth + 1, "[", "]", false},
		{schema.MaxDepth + 1, `{"a":`, "}", false},
		{9_999, "[", "]", false},
		{10_001, "[", "]", false},
		{100_000, `{"a":`, "}", false},
	} {
		text := strings.Repeat(tc.open, tc.depth) + "1" + strings.Repeat(tc.shut, tc.depth)
		var err error
		took := pair.Thread(func() { err = s.Validate([]byte(text)) })
		if tc.valid && err != nil {
			t.Errorf("%d levels of %s: got %v, want no error", tc.depth, tc.open, err)
		}
		if !tc.valid && (len(violations(err)) != 1 || violations(err)[0].Keyword != schema.KeywordDepth) {
			t.Errorf("%d levels of %s: got %v, want a violation of %s", tc.depth, tc.open, err, schema.KeywordDepth)
		}
		if took > jsontest.Slack*time.Second {
			t.Errorf("%d levels of %s: got a verdict after %v, want one within 1s", tc.depth, tc.open, took)
		}
	}
	_, err := schema.Compile("deep", []byte(strings.Repeat(`{"not":`, 10_001)+"true"+strings.Repeat("}", 10_001)))
	if err == nil || !strings.Contains(err.Error(), "must not be nested more than 64 levels deep") {
		t.Errorf("a schema of 10001 levels: got %v, want that it is too deep", err)
	}
}

func TestLargeText(t *testing.T) {
	s := mustCompile(t, `{}`)
	fits := `"` + strings.Repeat("x", schema.MaxBytes-2) + `"`
	if err := s.Validate([]byte(fits)); err != nil {
		t.Errorf("%d bytes: got %v, want no error", len(fits), err)
	}
	wantViolation(t, "one byte more", s.Validate([]byte(" "+fits)), "", schema.KeywordSize)

	large := []byte(`"` + strings.Repeat("x", 50<<20) + `"`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := s.Validate(large)
	runtime.ReadMemStats(&after)
	wantViolation(t, "50 MiB", err, "", schema.KeywordSize)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("50 MiB: got %d bytes allocated, want nothing in proportion", took)
	}

	_, err = schema.Compile("large", []byte(`{"description":"`+strings.Repeat("x", 10<<20)+`"}`))
	if err == nil || !strings.Contains(err.Error(), "at most 524288 bytes") {
		t.Errorf("a schema of 10 MiB: got %v, want that it is too long", err)
	}
}

func TestStrictText(t *testing.T) {
	s := mustCompile(t, `{"properties":{"a":{},"b":{"items":{}}}}`)
	for _, tc := range []struct{ instance, pointer, keyword string }{
		{``, "", schema.KeywordSyntax},
		{` `, "", schema.KeywordSyntax},
		{"\ufeff{}", "", schema.KeywordSyntax},
		{"```json\n{}\n```", "", schema.KeywordSyntax},
		{`{} {}`, "", schema.KeywordSyntax},
		{`{}]`, "", schema.KeywordSyntax},
		{`[1,]`, "", schema.KeywordSyntax},
		{`{"a":}`, "", schema.KeywordSyntax},
		{`{"b":[1,2`, "", schema.KeywordSyntax},
		{`{'a':1}`, "", schema.KeywordSyntax},
		{`{"a":01}`, "", schema.KeywordSyntax},
		{`{"a":.5}`, "", schema.KeywordSyntax},
		{`{"a":+1}`, "", schema.KeywordSyntax},
		{`nul`, "", schema.KeywordSyntax},
		{"\"a\x00\"", "", schema.KeywordSyntax},
		{"\"a\nb\"", "", schema.KeywordSyntax},
		{`"\x"`, "", schema.KeywordSyntax},
		{"1 // one", "", schema.KeywordSyntax},
		{`{"a":1,"a":1}`, "", schema.KeywordDuplicate},
		{`{"b":[{"z":1,"z":1}]}`, "/b/0", schema.KeywordDuplicate},
		{`{"K":1,"k":1}`, "", schema.KeywordTwin},
		{`{"\u212a":1,"k":1}`, "", schema.KeywordTwin},
		{`{"\u017f":1,"s":1}`, "", schema.KeywordTwin},
		{`{"É":1,"é":1}`, "", schema.KeywordTwin},
		{`{"secret":{"x":1,"X":1}}`, "/*", schema.KeywordTwin},
		{`{"B":[]}`, "", schema.KeywordTwin},
	} {
		wantViolation(t, tc.instance, s.Validate([]byte(tc.instance)), tc.pointer, tc.keyword)
	}
	for _, instance := range []string{"\t{ \"a\" :\r\n1 } ", `{"c":1,"d":1}`, `{"":1}`, `[{"x":1},{"X":1}]`} {
		if err := s.Validate([]byte(instance)); err != nil {
			t.Errorf("%s: got %v, want no error", instance, err)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = `"k` + strings.Repeat("x", i) + `":1`
	}
	if err := s.Validate([]byte("{" + strings.Join(many, ",") + "}")); err != nil {
		t.Errorf("1000 names: got %v, want no error", err)
	}
	wantViolation(t, "1000 names and a twin", s.Validate([]byte("{"+strings.Join(many, ",")+`,"KXX":1}`)), "", schema.KeywordTwin)
}

// A twin is refused wherever the schema that declares the property stands: what a
// schema makes of it must not turn on its case.
func TestTwinOfDeclaredProperty(t *testing.T) {
	for _, tc := range []struct{ schema, instance, pointer string }{
		{`{"properties":{"a":{}}}`, `{"A":1}`, ""},
		{`{"properties":{"x":{"items":{"properties":{"a":{}}}}}}`, `{"x":[{},{"A":1}]}`, "/x/1"},
		{`{"not":{"properties":{"a":{"type":"string"}},"required":["b"]}}`, `{"A":1}`, ""},
		{`{"if":{"properties":{"a":{"const":1}}},"then":true,"else":true}`, `{"A":1}`, ""},
		{`{"anyOf":[{"properties":{"a":{}}},true]}`, `{"A":1}`, ""},
		{`{"$ref":"#/$defs/d","$defs":{"d":{"properties":{"a":{}}}}}`, `{"A":1}`, ""},
		{`{"additionalProperties":{"properties":{"ab":{}}}}`, `{"mine":{"aB":1}}`, "/*"},
	} {
		wantViolation(t, tc.schema, mustCompile(t, tc.schema).Validate([]byte(tc.instance)), tc.pointer, schema.KeywordTwin)
	}
	// A name that is declared elsewhere is no twin.
	s := mustCompile(t, `{"properties":{"id":{},"labels":{"type":"object"}}}`)
	if err := s.Validate([]byte(`{"id":1,"labels":{"ID":1}}`)); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// No schema makes Compile read a file or open a connection.
func TestExternalReferences(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host := l.Addr().String()
	const secret = "hunter2-of-the-operator"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.json"), []byte(`{"const":"`+secret+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	file := "file://" + filepath.ToSlash(dir)

	const (
		draft7    = `"$schema":"http://json-schema.org/draft-07/schema#"`
		draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema"`
	)
	for _, text := range []string{
		`{"$ref":"http://` + host + `/s"}`,
		`{"$ref":"https://` + host + `/s#/a"}`,
		`{"$ref":"//` + host + `/s"}`,
		`{"$ref":"` + file + `/secret.json"}`,
		`{"$ref":"secret.json"}`,
		`{"$ref":"./secret.json#"}`,
		`{"$ref":"../secret.json"}`,
		`{"$ref":"/etc/passwd"}`,
		`{"$ref":"?query"}`,
		`{"$ref":"urn:example:a"}`,
		`{"$ref":"data:application/json,{}"}`,
		`{"$dynamicRef":"http://` + host + `/s#a"}`,
		`{"$dynamicRef":"secret.json#a"}`,
		`{` + draft2019 + `,"$recursiveRef":"http://` + host + `/s"}`,
		`{"$schema":"http://` + host + `/meta"}`,
		`{"$schema":"` + file + `/secret.json"}`,
		`{"$schema":"secret.json"}`,
		`{"$schema":"http://json-schema.org/draft-03/schema#"}`,
		`{"$schema":"http://json-schema.org/draft-05/schema#"}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema?x"}`,
		`{"$schema":"https://json-schema.org.` + host + `/draft/2020-12/schema"}`,
		`{"$schema":7}`,
		`{"$id":"` + file + `/","$ref":"secret.json"}`,
		`{"$id":"http://` + host + `/a/b","$ref":"../c"}`,
		`{"$defs":{"a":{"$id":"http://` + host + `/","$ref":"x"}}}`,
		`{"$id":"urn:example:a","$ref":"urn:example:b"}`,
		`{"$id":"urn:example:a","$ref":"b"}`,
		`{"$id":"https://json-schema.org/draft/2020-12/schema"}`,
		`{"$ref":"https://json-schema.org/draft/2020-12/meta/core"}`,
		`{"$ref":"https://json-schema.org/draft/2020-12/schema#/$defs/x"}`,
		`{` + draft7 + `,"$ref":"http://` + host + `/s"}`,
		`{` + draft7 + `,"$id":"http://` + host + `/a","properties":{"x":{"$ref":"b"}}}`,
		`{"properties":{"x":{"items":{"anyOf":[{"not":{"$ref":"http://` + host + `/s"}}]}}}}`,
		`{"unknown":{"$ref":"http://` + host + `/s"},"$ref":"#/unknown"}`, // data, until something refers to it
	} {
		_, err := schema.Compile("test", []byte(text))
		if err == nil {
			t.Errorf("%s: got no error, want one", text)
			continue
		}
		if !strings.HasPrefix(err.Error(), "schema: test: at /") {
			t.Errorf("%s: got error %q, want one that says where", text, err)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got error %q, want none with the file's content", text, err)
		}
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got a connection (%v, %v), want none", c, err)
	}
}

// What a regular expression costs is linear in the length of the string.
func TestRegularExpressions(t *testing.T) {
	s := mustCompile(t, `{"pattern":"^(a+)+$"}`)
	var err error
	took := pair.Thread(func() { err = s.Validate([]byte(`"` + strings.Repeat("a", 50_000) + `!"`)) })
	wantViolation(t, "50 kB", err, "", "pattern")
	if took > jsontest.Slack*time.Second {
		t.Errorf("got a verdict after %v, want one within 1s", took)
	}
	for _, tc := range []struct{ schema, want string }{
		{`{"pattern":"(?=a)"}`, `at /pattern: "(?=a)" is no regular expression of RE2`},
		{`{"pattern":"a{1001}"}`, `at /pattern: "a{1001}" is no regular expression of RE2`},
		{`{"pattern":"(a)\\1"}`, "at /pattern: "},
		{`{"patternProperties":{"(":{}}}`, "at /patternProperties: "},
		{`{"$defs":{"a":{"pattern":"` + strings.Repeat("x", schema.MaxPattern+1) + `"}}}`,
			"at /$defs/a/pattern: a regular expression of 1001 bytes is longer than 1000"},
		{`{"pattern":"` + strings.Repeat("x{1000}", 140) + `"}`, "repeat too much"},
		{`{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{"pattern":"x{1000}"},`, 120), ",") + `]}`, "repeat too much"},
	} {
		if _, err := schema.Compile("test", []byte(tc.schema)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.80s: got error %v, want one that says %q", tc.schema, err, tc.want)
		}
	}
}

// An instance that would take too long is refused before it does.
func TestWork(t *testing.T) {
	enum := strings.Replace(schematest.Array("1", 500), "1,", "0.5,", 1)
	for _, tc := range []struct {
		name, schema, instance string
		refused                bool
	}{
		{"many values", `{"items":{"type":"integer"}}`, schematest.Array("1", 100_000), false},
		{"many values for alternatives", `{"items":{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"type":"integer"},`, 20), ",") + `]}}`,
			schematest.Array("1", 100_000), true},
		{"many values for an enum", `{"items":{"enum":` + enum + `}}`, schematest.Array("3", 10_000), true},
		{"few values for an enum", `{"items":{"enum":` + enum + `}}`, schematest.Array("0.5", 1000), false},
		{"a large regular expression", `{"pattern":"^[xy]{900}[ab]"}`, `"` + strings.Repeat("x", 500_000) + `"`, true},
		{"a small regular expression", `{"pattern":"^x+$"}`, `"` + strings.Repeat("x", 500_000) + `"`, false},
		{"long numbers", `{"items":{"multipleOf":3}}`, schematest.Array(strings.Repeat("7", 100)+"e308", 9000), false},
		{"long numbers for alternatives", `{"items":{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"multipleOf":3},`, 10), ",") + `]}}`,
			schematest.Array(strings.Repeat("7", 100)+"e308", 9000), true},
		{"equal items", `{"uniqueItems":true}`, schematest.Array(schematest.Array("1", 5000), 19), true},
		{"values that no schema applies to", `{"properties":{"a":{"type":"string"}}}`, `{"b":` + schematest.Array("1", 400_000) + `}`, false},
	} {
		err := mustCompile(t, tc.schema).Validate([]byte(tc.instance))
		v := violations(err)
		if refused := len(v) == 1 && v[0].Keyword == schema.KeywordWork; refused != tc.refused {
			t.Errorf("%s: got %v, want refused = %v", tc.name, err, tc.refused)
		}
	}
}

// Numbers at the edges of what programs hold have one verdict, whoever judges.
func TestNumbersAtTheEdges(t *testing.T) {
	for _, tc := range []struct{ schema, number, keyword string }{
		{`{"type":"integer"}`, "9223372036854775808", ""},
		{`{"type":"integer"}`, "-9223372036854775809", ""},
		{`{"type":"integer"}`, "18446744073709551616", ""},
		{`{"type":"integer"}`, "1.0", ""},
		{`{"type":"integer"}`, "1e2", ""},
		{`{"type":"integer"}`, "10e-1", ""},
		{`{"type":"integer"}`, "1e-1", "type"},
		{`{"type":"integer"}`, "9007199254740993.5", "type"},
		{`{"maximum":9007199254740992}`, "9007199254740993", "maximum"},
		{`{"maximum":9223372036854775807}`, "9223372036854775808", "maximum"},
		{`{"minimum":0}`, "-0", ""},
		{`{"minimum":0}`, "-1e-308", "minimum"},
		{`{"const":1}`, "1.000", ""},
		{`{"multipleOf":0.1}`, "0.3", ""},
		{`{"type":"number"}`, "1e308", ""},
		{`{"type":"number"}`, "1e309", schema.KeywordNumber},
		{`{"type":"number"}`, "1e400", schema.KeywordNumber},
		{`{"type":"number"}`, "1e1000000000", schema.KeywordNumber},
		{`{"type":"number"}`, "1e-99999999", schema.KeywordNumber},
		{`{"type":"number"}`, strings.Repeat("7", 1_000_000), schema.KeywordNumber},
		{`{"type":"number"}`, "NaN", schema.KeywordSyntax},
		{`{"type":"number"}`, "Infinity", schema.KeywordSyntax},
	} {
		c := newContract(t, tc.schema)
		var err error
		took := pair.Thread(func() { err = c.s.Validate([]byte(tc.number)) })
		if took > jsontest.Slack*50*time.Millisecond {
			t.Errorf("%.30s: got a verdict after %v, want one within 50ms", tc.number, took)
		}
		if tc.keyword != "" {
			wantViolation(t, tc.number, err, "", tc.keyword)
		} else if err != nil {
			t.Errorf("%s: %.30s: got %v, want no error", tc.schema, tc.number, err)
		}
		if slowly := c.s.ValidateSlowly([]byte(tc.number)); (err == nil) != (slowly == nil) {
			t.Errorf("%s: %.30s: got %v, but %v without the fast path", tc.schema, tc.number, err, slowly)
		}
		c.sound(t, tc.number)
	}
}
