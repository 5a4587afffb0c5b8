package gates_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

const priceHead = "safeconduct prices v1\nsource s our contract\n"

// table reads lines of a table of prices.
func table(t testing.TB, lines ...string) *gates.Prices {
	t.Helper()
	p, err := gates.ReadPrices(strings.NewReader(priceHead + strings.Join(lines, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tiered has all that a price can have. In dollars per million tokens: input 3,
// output 15, cached 0.30, written 3.75, reasoning 20; above 200,000 tokens 6,
// 22.50, 0.60, 7.50, 30.
func tiered(t testing.TB) *gates.Prices {
	return table(t,
		"model 2026-07-01 s big input=3000000 output=15000000 cached=300000 write=3750000 reasoning=20000000",
		"above 2026-07-01 s big 200000 input=6000000 output=22500000 cached=600000 write=7500000 reasoning=30000000",
		"above 2026-07-01 s big 500000 input=12000000 output=45000000",
		"model 2026-07-01 s plain input=2500000 output=10000000",
		"model 2026-07-01 s cheap input=2800 output=1",
		"model 2026-07-01 s free input=0 output=0",
		"alias 2026-07-01 s latest big",
	)
}

func usageOf(in, cached, written, out, reasoning int64) middleware.Usage {
	return middleware.Usage{
		InputTokens: in, CachedTokens: cached, CacheWriteTokens: written,
		OutputTokens: out, ReasoningTokens: reasoning, TotalTokens: in + out, Reported: true,
	}
}

// TestCostByHand holds costs against what was reckoned by hand.
func TestCostByHand(t *testing.T) {
	p, list := tiered(t), gates.ListPrices()
	tests := []struct {
		name   string
		prices *gates.Prices
		model  string
		usage  middleware.Usage
		want   int64 // micro-dollars
	}{
		{"input and output", p, "plain", usageOf(1000, 0, 0, 100, 0), 2500 + 1000},
		{"without a discount cached tokens cost as others", p, "plain", usageOf(1000, 600, 200, 100, 0), 2500 + 1000},
		{"without a surcharge reasoning costs as other output", p, "plain", usageOf(1000, 0, 0, 100, 60), 2500 + 1000},
		{"cached", p, "big", usageOf(10_000, 4_000, 0, 0, 0), 6_000*3 + 4_000*3/10},
		{"written to the cache", p, "big", usageOf(10_000, 4_000, 1_000, 0, 0), 5_000*3 + 4_000*3/10 + 3_750},
		{"reasoning is part of the output", p, "big", usageOf(1000, 0, 0, 500, 300), 3_000 + 200*15 + 300*20},
		{"at the threshold", p, "big", usageOf(200_000, 0, 0, 1000, 0), 600_000 + 15_000},
		{"above it all tokens cost more", p, "big", usageOf(200_001, 0, 0, 1000, 0), 1_200_006 + 22_500},
		{"above it, cached and reasoning", p, "big", usageOf(300_000, 200_000, 50_000, 2_000, 1_000), 50_000*6 + 200_000*6/10 + 50_000*75/10 + 22_500 + 30_000},
		{"cached tokens count for the threshold", p, "big", usageOf(200_001, 200_000, 0, 0, 0), 6 + 120_000},
		{"above the second, without discounts", p, "big", usageOf(500_001, 1, 1, 1, 1), 500_001*12 + 45},
		{"an alias", p, "latest", usageOf(1000, 0, 0, 0, 0), 3_000},
		{"rounded up", p, "cheap", usageOf(1, 0, 0, 0, 0), 1},
		{"rounded up once", p, "cheap", usageOf(1, 0, 0, 1, 0), 1},
		{"and not where it is even", p, "cheap", usageOf(2_500, 0, 0, 0, 0), 7},
		{"free where the table says so", p, "free", usageOf(1000, 0, 0, 1000, 0), 0},
		{"output that the total alone has", p, "plain", middleware.Usage{InputTokens: 100, OutputTokens: 50, TotalTokens: 350, Reported: true}, 250 + 2_500},
		{"reasoning beside the output", p, "plain", middleware.Usage{InputTokens: 100, OutputTokens: 50, ReasoningTokens: 200, Reported: true}, 250 + 2_500},
		{"no total", p, "plain", middleware.Usage{InputTokens: 100, OutputTokens: 50, Reported: true}, 250 + 500},
		{"the provider's own is not looked at", p, "plain", middleware.Usage{InputTokens: 100, Cost: 7, Reported: true}, 250},

		// Rows of the list, of the three kinds that are got wrong most.
		{"list: cached", list, "gpt-4o", usageOf(1000, 400, 0, 200, 0), 600*25/10 + 400*125/100 + 2_000},
		{"list: the largest, below a tier", list, "claude-sonnet-4-5", usageOf(200_000, 150_000, 10_000, 1_000, 0), 40_000*3 + 45_000 + 37_500 + 15_000},
		{"list: above a tier", list, "claude-sonnet-4-5", usageOf(200_001, 150_000, 10_000, 1_000, 0), 40_001*6 + 90_000 + 75_000 + 22_500},
		{"list: above another tier", list, "gpt-5.6", usageOf(272_001, 0, 0, 10, 0), 2_720_010 + 450},
		{"list: reasoning", list, "o3", usageOf(1_000, 0, 0, 5_000, 4_500), 2_000 + 40_000},
		{"list: reasoning in the total alone", list, "gemini-2.5-pro",
			middleware.Usage{InputTokens: 1_000, OutputTokens: 100, TotalTokens: 1_900, Reported: true}, 1_250 + 9_000},
		{"list: parts of a micro-dollar", list, "deepseek-v4-flash", usageOf(1_001, 1_000, 0, 1, 0), 4}, // 0.14 + 2.8 + 0.28
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.prices.Cost(tt.model, tt.usage)
			if err != nil || got != tt.want {
				t.Errorf("got %d and error %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestCostErrors(t *testing.T) {
	p := tiered(t)
	ok := usageOf(10, 0, 0, 10, 0)
	for _, model := range []string{"", "*", "Big", "big ", "gpt-4o", strings.Repeat("x", 10_000)} {
		for _, p := range []*gates.Prices{p, {}} {
			if cost, err := p.Cost(model, ok); !errors.Is(err, gates.ErrUnknownModel) || cost != 0 {
				t.Errorf("%.20q: got %d and error %v, want %v", model, cost, err, gates.ErrUnknownModel)
			} else if len(err.Error()) > 200 {
				t.Errorf("%.20q: got an error of %d bytes", model, len(err.Error()))
			}
		}
	}
	for name, u := range map[string]middleware.Usage{
		"none":              {},
		"not reported":      {InputTokens: 10},
		"zero":              {Reported: true},
		"negative":          usageOf(-1, 0, 0, 5, 0),
		"negative cached":   usageOf(10, -1, 0, 5, 0),
		"negative written":  usageOf(10, 0, -1, 5, 0),
		"absurd":            usageOf(1<<62, 0, 0, 5, 0),
		"more cached":       usageOf(10, 6, 5, 5, 0),
		"absurd together":   usageOf(999_999_999, 0, 0, 999_999_999, 0),
		"negative total":    {InputTokens: 5, TotalTokens: math.MinInt64, Reported: true},
		"negative thoughts": {InputTokens: 5, ReasoningTokens: -5, Reported: true},
	} {
		if cost, err := p.Cost("big", u); err == nil || errors.Is(err, gates.ErrUnknownModel) {
			t.Errorf("%s: got %d and error %v, want one for the usage", name, cost, err)
		}
	}
}

// TestCostSaturates checks that a cost beyond all money stays at the end.
func TestCostSaturates(t *testing.T) {
	p := table(t, "model 2026-07-01 s gold input=1000000000000 output=1000000000000")
	got, err := p.Cost("gold", usageOf(500_000_000, 0, 0, 500_000_000, 0))
	if want := int64(1_000_000_000 * 1_000_000); err != nil || got != want {
		t.Errorf("got %d and error %v, want %d", got, err, want)
	}
	gate := gates.BudgetWith(gates.BudgetOptions{Prices: p, Model: "gold"}, gates.Limits{Cost: math.MaxInt64 - 1})
	call := kit.Model("hello")
	req := call.Input.(*middleware.ModelRequest)
	req.MaxTokens, req.Candidates = math.MaxInt, math.MaxInt32
	err = do(t.Context(), gate, kit.Answer("", 1, 1), call)
	if d := wantOver(t, err); !strings.Contains(d.Reason, "asked 9223372036854775807, left 9223372036854775806") {
		t.Errorf("got reason %q", d.Reason)
	}
}

// TestCostExact holds costs against arithmetic without bounds.
func TestCostExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, most int64) int64 { return rapid.Int64Range(0, most).Draw(t, name) }
		const rate = 1_000_000_000_000
		r := gates.Rates{Input: n("input", rate), Output: n("output", rate), Cached: n("cached", rate), CacheWrite: n("write", rate),
			Reasoning: n("reasoning", rate)}
		line := big.NewInt(0)
		text := "model 2026-07-01 s m"
		for _, f := range []struct {
			name string
			rate int64
		}{{"input", r.Input}, {"output", r.Output}, {"cached", r.Cached}, {"write", r.CacheWrite}, {"reasoning", r.Reasoning}} {
			text += " " + f.name + "=" + big.NewInt(f.rate).String()
		}
		p, err := gates.ReadPrices(strings.NewReader(priceHead + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		const most = 200_000_000 // of each, so that all together can be
		plain, cached, written, out, reasoning := 1+n("plain", most), n("cached tokens", most), n("written", most), n("out", most), n("thoughts", most/4)
		for _, x := range [][2]int64{{plain, r.Input}, {cached, r.Cached}, {written, r.CacheWrite}, {out, r.Output}, {reasoning, r.Reasoning}} {
			line.Add(line, new(big.Int).Mul(big.NewInt(x[0]), big.NewInt(x[1])))
		}
		line.Add(line, big.NewInt(999_999)).Div(line, big.NewInt(1_000_000))
		got, err := p.Cost("m", usageOf(plain+cached+written, cached, written, out+reasoning, reasoning))
		if err != nil || !line.IsInt64() || got != line.Int64() {
			t.Fatalf("got %d and error %v, want %v", got, err, line)
		}
	})
}

func TestReadPricesErrors(t *testing.T) {
	const ok = "model 2026-07-01 s m input=1 output=2"
	for name, tt := range map[string]struct{ text, want string }{
		"empty":               {"", "the last line does not end"},
		"no end":              {strings.TrimSuffix(priceHead, "\n"), "the last line does not end"},
		"another header":      {"safeconduct prices v2\n", `line 1: want "safeconduct prices v1"`},
		"CRLF":                {strings.ReplaceAll(priceHead, "\n", "\r\n"), "line 1: want"},
		"a BOM":               {"\ufeff" + priceHead, "line 1: want"},
		"an unknown line":     {priceHead + "price 2026-07-01 s m input=1\n", "line 3: want source, model, above or alias"},
		"few words":           {priceHead + "model 2026-07-01 s\n", "line 3: too few words"},
		"no figures":          {priceHead + "model 2026-07-01 s m\n", "line 3: too few words"},
		"two blanks":          {priceHead + "model 2026-07-01 s m input=1  output=2\n", "line 3: a field is unknown"},
		"a blank at the end":  {priceHead + ok + " \n", "line 3: a field is unknown"},
		"no such day":         {priceHead + "model 2026-02-30 s m input=1 output=2\n", "line 3: the date"},
		"no such source":      {priceHead + "model 2026-07-01 x m input=1 output=2\n", "line 3: no line before says what the source is"},
		"a source twice":      {priceHead + "source s again\n", "line 3: the source stands twice"},
		"a source of nothing": {priceHead + "source x\n", "line 3: a source needs"},
		"a strange name":      {priceHead + "model 2026-07-01 s m\u200b input=1 output=2\n", "line 3: the name of the model"},
		"a model twice":       {priceHead + ok + "\n" + ok + "\n", "line 4: the name stands twice"},
		"no output":           {priceHead + "model 2026-07-01 s m input=1\n", "line 3: input and output"},
		"out of order":        {priceHead + "model 2026-07-01 s m output=1 input=2\n", "line 3: a field is unknown, stands twice or is out of order"},
		"a field twice":       {priceHead + "model 2026-07-01 s m input=1 input=2 output=1\n", "line 3: a field is unknown, stands twice"},
		"an unknown field":    {priceHead + "model 2026-07-01 s m input=1 output=2 audio=3\n", "line 3: a field is unknown"},
		"negative":            {priceHead + "model 2026-07-01 s m input=-1 output=2\n", "line 3: a figure is not a number"},
		"a fraction":          {priceHead + "model 2026-07-01 s m input=1.5 output=2\n", "line 3: a figure is not a number"},
		"an exponent":         {priceHead + "model 2026-07-01 s m input=1e3 output=2\n", "line 3: a figure is not a number"},
		"a leading zero":      {priceHead + "model 2026-07-01 s m input=01 output=2\n", "line 3: a figure is not a number"},
		"a plus":              {priceHead + "model 2026-07-01 s m input=+1 output=2\n", "line 3: a figure is not a number"},
		"no figure":           {priceHead + "model 2026-07-01 s m input= output=2\n", "line 3: a figure is not a number"},
		"too dear":            {priceHead + "model 2026-07-01 s m input=1000000000001 output=2\n", "line 3: a figure is not a number"},
		"overflowing":         {priceHead + "model 2026-07-01 s m input=9223372036854775808 output=2\n", "line 3: a figure is not a number"},
		"above alone":         {priceHead + "above 2026-07-01 s m 5 input=1 output=2\n", "line 3: does not follow"},
		"above another":       {priceHead + ok + "\nabove 2026-07-01 s n 5 input=1 output=2\n", "line 4: does not follow"},
		"descending": {priceHead + ok + "\nabove 2026-07-01 s m 5 input=1 output=2\nabove 2026-07-01 s m 5 input=1 output=2\n",
			"line 5: the tiers are not in ascending order"},
		"above without figures":  {priceHead + ok + "\nabove 2026-07-01 s m 5\n", "line 4: input and output"},
		"above nothing":          {priceHead + ok + "\nabove 2026-07-01 s m x input=1 output=2\n", "line 4: a figure"},
		"an alias of nothing":    {priceHead + "alias 2026-07-01 s a b\n", "line 3: no line before has the model"},
		"an alias of an alias":   {priceHead + ok + "\nalias 2026-07-01 s a m\nalias 2026-07-01 s b a\n", "line 5: no line before has the model"},
		"an alias of all":        {priceHead + "model 2026-07-01 s * input=1 output=2\nalias 2026-07-01 s a *\n", "line 4: no line before has the model"},
		"an alias that is taken": {priceHead + ok + "\nalias 2026-07-01 s m m\n", "line 4: the name stands twice"},
		"an alias of two":        {priceHead + ok + "\nalias 2026-07-01 s a m n\n", "line 4: an alias is of one model"},
		"an alias for all":       {priceHead + ok + "\nalias 2026-07-01 s * m\n", "line 4: the alias is the name of a model"},
		"a long line":            {priceHead + "# " + strings.Repeat("x", 1100) + "\n", "line 3: more than 1024 bytes"},
		"too large":              {priceHead + strings.Repeat("#\n", 1<<19), "more than 1048576 bytes"},
	} {
		p, err := gates.ReadPrices(strings.NewReader(tt.text))
		if p != nil || err == nil || !strings.HasPrefix(err.Error(), "gates: prices: "+tt.want) {
			t.Errorf("%s: got error %v, want gates: prices: %s", name, err, tt.want)
		}
	}
	if _, err := gates.ReadPrices(failing{}); !errors.Is(err, errTool) {
		t.Errorf("got error %v, want that of the reader", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errTool }

// TestOverride checks what a table of one's own does to the prices there are.
func TestOverride(t *testing.T) {
	base := gates.ListPrices()
	p, err := base.Override(strings.NewReader(priceHead +
		"model 2026-08-01 s gpt-4o input=1 output=2\n" + // an alias in the list
		"model 2026-08-01 s gpt-4o-mini-2024-07-18 input=3 output=4\n" +
		"alias 2026-08-01 s openai.LLM gpt-4o-mini-2024-07-18\n" +
		"model 2026-08-01 s * input=5 output=6\n"))
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]int64{
		"gpt-4o": 1, "gpt-4o-mini-2024-07-18": 3, "gpt-4o-mini": 3, "openai.LLM": 3, "nobody": 5, "gpt-4o-2024-11-20": 2_500_000,
	} {
		if got, err := p.Price(model); err != nil || got.Input != want {
			t.Errorf("%s: got %+v and error %v, want input at %d", model, got, err, want)
		}
	}
	got, _ := p.Price("nobody")
	if got.Model != "*" || got.Date != "2026-08-01" || got.Source != "our contract" {
		t.Errorf("got %+v, want to know where the figures are from", got)
	}
	if got, err := base.Price("gpt-4o"); err != nil || got.Input != 2_500_000 || got.Model != "gpt-4o-2024-11-20" {
		t.Errorf("the base: got %+v and error %v, want it unchanged", got, err)
	}
	if _, err := base.Override(strings.NewReader(priceHead + "alias 2026-08-01 s o1-pro-2025-03-19 gpt-4o-2024-11-20\n")); err == nil {
		t.Error("an alias took the place of a model that others are aliases of")
	}
}

func FuzzReadPrices(f *testing.F) {
	var list bytes.Buffer
	list.WriteString(priceHead + "model 2026-07-01 s m input=1 output=2 cached=3 write=4 reasoning=5\n" +
		"above 2026-07-01 s m 5 input=1000000000000 output=2\nalias 2026-07-01 s a m\nmodel 2026-07-01 s * input=0 output=0\n")
	f.Add(list.String())
	f.Add(priceHead)
	f.Add("safeconduct prices v1\n# x\n\nsource a b c\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := gates.ReadPrices(strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "gates: prices: ") || len(err.Error()) > 300 {
				t.Errorf("got error %v", err)
			}
			return
		}
		for _, model := range []string{"m", "a", "gpt-4o"} {
			small, err := p.Cost(model, usageOf(7, 2, 2, 5, 1))
			large, _ := p.Cost(model, usageOf(1_000, 2, 2, 500, 1))
			if err == nil && (small < 0 || large < 0) {
				t.Errorf("%s: got costs %d and %d", model, small, large)
			}
		}
		if again, err := p.Override(strings.NewReader(text)); err == nil {
			x, errX := p.Price("m")
			y, errY := again.Price("m")
			if (errX == nil) != (errY == nil) || x.Rates != y.Rates || len(x.Tiers) != len(y.Tiers) {
				t.Errorf("got %+v, and %+v over itself", x, y)
			}
		}
	})
}
