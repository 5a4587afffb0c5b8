package schema_test

import (
	"testing"

	"example.com/safeconduct/schema"
)

// What encoding/json would take for a field is not what was judged as that field.
func TestDecodeRefusesTwinsOfFields(t *testing.T) {
	type money struct {
		Amount int    `json:"amount"`
		Sort   string // by the name of the field
		Hidden int    `json:"-"`
	}
	type Embedded struct {
		Note string `json:"note"`
	}
	type Tagged struct {
		Inner string `json:"inner"`
	}
	type order struct {
		*Embedded
		Tagged `json:"tagged"`
		Money  money            `json:"money"`
		Next   *order           `json:"next"`
		List   []money          `json:"list"`
		Pair   [2]*money        `json:"pair"`
		Map    map[string]money `json:"map"`
		Any    any              `json:"any"`
	}
	closed := mustCompile(t, `{"patternProperties":{"^(amount|sort)$":{"maximum":100}}}`)
	if _, err := schema.Decode[money](closed, []byte(`{"AMOUNT":5000}`)); err == nil {
		t.Error("a property that no pattern is for: got no error, want one")
	}
	open := mustCompile(t, `true`)
	for _, tc := range []struct {
		text, pointer string
		ok            bool
	}{
		{`{"money":{"AMOUNT":5000}}`, "/*", false},
		{`{"money":{"ſort":"x"}}`, "/*", false}, // folds onto Sort
		{`{"money":{"sort":"x"}}`, "/*", false},
		{`{"money":{"Amount":1}}`, "/*", false},
		{`{"MONEY":{}}`, "", false},
		{`{"NOTE":"x"}`, "", false},
		{`{"tagged":{"INNER":"x"}}`, "/*", false},
		{`{"next":{"next":{"Note":"x"}}}`, "/*/*", false},
		{`{"list":[{},{"AMOUNT":1}]}`, "/*/1", false},
		{`{"pair":[{"AMOUNT":1}]}`, "/*/0", false},
		{`{"map":{"MONEY":{"AMOUNT":1}}}`, "/*/*", false},
		{`{"money":{"amount":1,"Sort":"x","HIDDEN":1,"hidden2":2},"note":"n"}`, "", true},
		{`{"INNER":"x","map":{"AMOUNT":{}},"any":{"AMOUNT":1,"Money":{"NOTE":1}},"AMOUNT":2}`, "", true},
		{`{"money":null,"next":null,"list":null,"other":[{"AMOUNT":1}]}`, "", true},
	} {
		_, err := schema.Decode[order](open, []byte(tc.text))
		if tc.ok {
			if err != nil {
				t.Errorf("%s: got %v, want no error", tc.text, err)
			}
			continue
		}
		wantViolation(t, tc.text, err, tc.pointer, schema.KeywordTwin)
	}
}

func TestDecodePanicsOnNilSchema(t *testing.T) {
	defer func() {
		if got, want := recover(), "schema: Decode: nil Schema"; got != want {
			t.Errorf("got panic %v, want %q", got, want)
		}
	}()
	_, _ = schema.Decode[int](nil, []byte(`1`))
}
