package schema_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// early fails where a watch refuses a text that the whole judgement accepts, or
// says otherwise when the text is cut otherwise. It returns at which byte the text
// was refused, or -1.
func early(t testing.TB, s *schema.Schema, text string, sizes ...int) int {
	t.Helper()
	at, err := s.Early(text, []int{1})
	read, whole := s.Early(text, append(sizes, len(text)))
	if err == nil && whole != nil {
		t.Errorf("%s: %.2000q: refused in pieces of %v: %v, and not byte by byte", s.JSON(), text, sizes, whole)
	}
	if err != nil && whole == nil && read == len(text) && at < len(text) {
		// What was begun is looked at where a piece ends.
		if _, again := s.Early(text+" ", []int{1}); again == nil {
			t.Errorf("%s: %.2000q: refused byte by byte: %v, and not in pieces of %v", s.JSON(), text, err, sizes)
		}
	}
	if err == nil {
		return -1
	}
	if s.Validate([]byte(text)) == nil {
		t.Errorf("%s: %.2000q: refused at byte %d of %d: %v, and the whole is accepted", s.JSON(), text, at, len(text), err)
	}
	return at
}

// TestCorpusEarly: of texts that are refused, how many are refused before their
// last byte has come; and none that is accepted is refused at all.
func TestCorpusEarly(t *testing.T) {
	const generated = 20_000 / jsontest.Slack
	suite, calls := suiteSamples(t), realCalls(t)
	samples := slices.Concat(suite, calls)
	m := jsontest.NewMutator(5)
	var mutated []example
	for i := range generated {
		c := samples[i%len(samples)]
		c.instance = m.Mutate(c.instance)
		mutated = append(mutated, c)
	}
	var bfcl []example
	contracts := make(map[string]contract)
	for _, c := range toolCalls(t) {
		if _, ok := contracts[string(c.Schema)]; !ok {
			contracts[string(c.Schema)] = newContract(t, string(c.Schema))
		}
		bfcl = append(bfcl, example{contracts[string(c.Schema)], string(c.Args)})
	}
	for _, set := range []struct {
		name    string
		samples []example
		least   float64 // share of the refused that must be refused early
	}{
		{"the suite", suite, 0.2}, {"BFCL", bfcl, 0.6}, {"generated", mutated, 0.5},
	} {
		refused, denied, before, share := 0, 0, 0, 0.0
		for _, c := range set.samples {
			at := early(t, c.s, c.instance, 1+m.IntN(5), 1+m.IntN(20))
			if c.s.Validate([]byte(c.instance)) == nil {
				continue
			}
			refused++
			if at >= 0 {
				denied++
				share += float64(at) / float64(max(len(c.instance), 1))
			}
			if at >= 0 && at < len(c.instance) {
				before++
			}
		}
		t.Logf("%s: of %d texts %d are refused by the whole judgement, %d of them while they arrive, %d before their last byte; on average after %.0f%% of the text",
			set.name, len(set.samples), refused, denied, before, 100*share/float64(max(denied, 1)))
		if float64(before) < set.least*float64(refused) {
			t.Errorf("%s: %d of %d are refused before their last byte, want %.0f%%", set.name, before, refused, 100*set.least)
		}
	}
}

// FuzzEarly: a watch refuses nothing that the whole judgement accepts, however the
// text is cut.
func FuzzEarly(f *testing.F) {
	for i, s := range schematest.Schemas() {
		for _, instance := range jsontest.Instances() {
			f.Add([]byte(s), instance, 1+i%4, 1+i%7)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, instance string, a, b int) {
		s, err := schema.Compile("fuzz", text)
		if err != nil {
			return
		}
		early(t, s, instance, a, b)
		if _, err := s.Early(instance, []int{a, b}); err != nil {
			discreet(t, string(text), []byte(instance), err)
		}
		m := jsontest.Mutator{Rand: rand.New(rand.NewPCG(uint64(a), uint64(b)))}
		if s.Validate([]byte(instance)) == nil {
			early(t, s, m.Mutate(instance), a, b)
		}
	})
}
