package schema_test

import (
	"testing"

	"example.com/safeconduct/internal/sample"
)

// The samples that benchmarks measure are what they are said to be, and the fast
// path accepts the valid ones.
func TestSamples(t *testing.T) {
	for _, l := range append(sample.Loads(), sample.Receipt()) {
		c := newContract(t, l.Schema)
		if !c.sound(t, l.Valid) {
			t.Errorf("%s: got left to the judge, want accepted", l.Name)
		}
		if v := violations(c.s.Validate([]byte(l.Invalid))); len(v) != 1 {
			t.Errorf("%s: got %v, want one violation", l.Name, v)
		}
	}
}
