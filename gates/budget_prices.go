package gates

import (
	_ "embed" // the list prices
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"strings"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/middleware"
)

// listPrices is the table of [ListPrices]. Only a variable can be embedded;
// nothing writes to it.
//
//go:embed prices.txt
var listPrices string

// ErrUnknownModel reports that [Prices] have no price for a model. It is never
// free: a [Budget] with a limit on cost denies the call.
var ErrUnknownModel = errors.New("no price is known")

// Rates are what tokens cost, in micro-dollars (millionths of a US dollar) per
// million tokens. A price of 2.50 dollars per million tokens is 2.5*Dollar.
type Rates struct {
	Input      int64 // of the prompt, but for what the next two are for
	Output     int64 // but for reasoning
	Cached     int64 // read from the provider's cache
	CacheWrite int64 // written to the provider's cache
	Reasoning  int64
}

// A Tier is the Rates of all tokens of a request whose prompt, cached tokens
// included, has more than Above tokens.
type Tier struct {
	Above        int64
	Date, Source string // of these figures, as in [Price]
	Rates
}

// A Price is what one model costs.
type Price struct {
	Model  string // as it stands in the table; "*" for all that do not
	Date   string // as of which the figures hold: 2026-07-24
	Source string // where they are from
	Rates
	Tiers []Tier // in ascending order; may be none
}

// Prices are a table of what models cost. The zero Prices know no model. They
// do not change and are safe for concurrent use.
//
// They are list prices of text: what a provider charges for batches, priority,
// flexible or regional processing, for a cache that is kept longer, and for
// tokens of sound and images is not in them.
type Prices struct {
	models  map[string]*Price
	aliases map[string]string // to the names of models
}

// ListPrices returns the list prices that ship with this module, of some 150
// models as of the date that each has. They age: [Prices.Override] brings
// figures of one's own. Each call parses the table anew.
func ListPrices() *Prices {
	p, err := ReadPrices(strings.NewReader(listPrices))
	if err != nil {
		panic(err) // a test reads the same table
	}
	return p
}

// clone returns a copy to be added to.
func (p *Prices) clone() *Prices {
	c := &Prices{models: maps.Clone(p.models), aliases: maps.Clone(p.aliases)}
	if c.models == nil {
		c.models = make(map[string]*Price)
	}
	if c.aliases == nil {
		c.aliases = make(map[string]string)
	}
	return c
}

// Price returns what a model costs, by its name or alias as it stands in the
// table, or else the price of "*". The error wraps [ErrUnknownModel] where there
// is none.
func (p *Prices) Price(model string) (Price, error) {
	if price := p.price(model); price != nil {
		return *price, nil
	}
	return Price{}, fmt.Errorf("gates: prices: model %s: %w", shown.Name(model), ErrUnknownModel)
}

// price returns a model's price, or that of "*", or nil.
func (p *Prices) price(model string) *Price {
	if price := p.known(model); price != nil {
		return price
	}
	return p.models[anyModel]
}

// known returns the price of a model that stands in the table, or nil.
func (p *Prices) known(model string) *Price {
	if target, ok := p.aliases[model]; ok {
		model = target
	}
	if model == anyModel {
		return nil // the name of no model
	}
	return p.models[model]
}

// Cost returns what the tokens of one call to a model cost, in micro-dollars,
// rounded up once, for the call. It is exact up to there, and at most
// math.MaxInt64. The error wraps [ErrUnknownModel] where there is no price, and
// is another one where the usage cannot be: it is not reported, negative,
// absurdly large, or has more cached tokens than input.
//
// Cached tokens and cache writes are part of the input, and reasoning is part of
// the output. What TotalTokens has beyond both is output: some providers leave
// their reasoning out of it. Usage.Cost is not looked at.
func (p *Prices) Cost(model string, usage middleware.Usage) (int64, error) {
	price, err := p.Price(model)
	if err != nil {
		return 0, err
	}
	m, ok := meterOf(&usage)
	if !ok {
		return 0, fmt.Errorf("gates: prices: model %s: the usage cannot be", shown.Name(model))
	}
	return price.cost(m), nil
}

// cost returns what tokens cost.
func (p *Price) cost(m meter) int64 {
	r := p.rate(m.input)
	var hi, lo uint64
	for _, x := range [...]struct{ n, rate int64 }{
		{m.input - m.cached - m.written, r.Input},
		{m.cached, r.Cached},
		{m.written, r.CacheWrite},
		{m.output - m.reasoning, r.Output},
		{m.reasoning, r.Reasoning},
	} {
		h, l := bits.Mul64(uint64(x.n), uint64(x.rate))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry) // far from full: rates are at most maxRate
	}
	lo, carry := bits.Add64(lo, perMillion-1, 0) // rounds up
	hi += carry
	if hi >= perMillion {
		return maxAmount
	}
	cost, _ := bits.Div64(hi, lo, perMillion)
	return int64(min(cost, maxAmount))
}

// most returns the most that input and output tokens may cost: the input is all written
// to the cache, where that costs more, and the output is the dearer kind.
func (p *Price) most(input, output int64) int64 {
	r := p.rate(input)
	m := meter{input: input, output: output}
	if r.CacheWrite > r.Input {
		m.written = input
	}
	if r.Reasoning > r.Output {
		m.reasoning = output
	}
	return p.cost(m)
}

// rate returns the Rates of a request whose prompt has input tokens.
func (p *Price) rate(input int64) *Rates {
	r := &p.Rates
	for i := range p.Tiers {
		if input > p.Tiers[i].Above {
			r = &p.Tiers[i].Rates
		}
	}
	return r
}

const (
	perMillion = 1_000_000
	anyModel   = "*"
)
