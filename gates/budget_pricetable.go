package gates

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// What a table of prices may have.
const (
	maxPriceTable = 1 << 20 // bytes
	maxPriceLine  = 1024    // bytes
	maxRate       = 1e12    // a dollar for one token
	maxTierAbove  = 1e9     // tokens
)

const priceHeader = "safeconduct prices v1"

// ReadPrices reads a table of prices, in micro-dollars per million tokens, in the form
// that the package's documentation shows under "Tables of prices". Anything else is an
// error that names the line, as are a name that stands twice and a table of more than
// 1 MiB.
func ReadPrices(r io.Reader) (*Prices, error) { return new(Prices).Override(r) }

// Override returns the Prices with those of a table, as by [ReadPrices], in the
// place of what they have under the same names. An alias of the table may also
// name a model that they have, but cannot take the place of a model.
func (p *Prices) Override(r io.Reader) (*Prices, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPriceTable+1))
	if err != nil {
		return nil, fmt.Errorf("gates: prices: %w", err)
	}
	if len(data) > maxPriceTable {
		return nil, fmt.Errorf("gates: prices: more than %d bytes", maxPriceTable)
	}
	t := priceTable{prices: p.clone(), seen: make(map[string]bool), sources: make(map[string]string)}
	text, ok := strings.CutSuffix(string(data), "\n")
	if !ok {
		return nil, errors.New("gates: prices: the last line does not end")
	}
	for i, line := range strings.Split(text, "\n") {
		if err := t.line(i, line); err != nil {
			return nil, fmt.Errorf("gates: prices: line %d: %w", i+1, err)
		}
	}
	return t.prices, nil
}

// A priceTable is a table that is being read.
type priceTable struct {
	prices  *Prices
	seen    map[string]bool
	sources map[string]string
	last    *Price // of the line before, for "above"
}

func (t *priceTable) line(i int, line string) error {
	switch {
	case len(line) > maxPriceLine:
		return fmt.Errorf("more than %d bytes", maxPriceLine)
	case i == 0 && line != priceHeader:
		return fmt.Errorf("want %q", priceHeader)
	case i == 0 || line == "" || strings.HasPrefix(line, "#"):
		return nil
	}
	kind, rest, _ := strings.Cut(line, " ")
	if kind == "source" {
		return t.source(rest)
	}
	words := strings.Split(rest, " ")
	if len(words) < 4 {
		return errors.New("too few words")
	}
	date, source, name := words[0], words[1], words[2]
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return errors.New("the date is not of the form 2006-01-02")
	}
	from, ok := t.sources[source]
	if !ok {
		return errors.New("no line before says what the source is")
	}
	if !priceName(name) && name != anyModel {
		return errors.New("the name of the model cannot be")
	}
	switch kind {
	case "model":
		return t.model(Price{Model: name, Date: date, Source: from}, words[3:])
	case "above":
		return t.above(name, Tier{Date: date, Source: from}, words[3:])
	case "alias":
		return t.alias(name, words[3:])
	}
	return errors.New("want source, model, above or alias")
}

func (t *priceTable) source(rest string) error {
	name, what, ok := strings.Cut(rest, " ")
	if !ok || !priceName(name) || strings.TrimSpace(what) == "" {
		return errors.New("a source needs a name and what it is")
	}
	if _, twice := t.sources[name]; twice {
		return errors.New("the source stands twice")
	}
	t.sources[name] = what
	return nil
}

func (t *priceTable) model(p Price, words []string) error {
	if err := t.once(p.Model); err != nil {
		return err
	}
	if err := p.read(words); err != nil {
		return err
	}
	delete(t.prices.aliases, p.Model)
	t.prices.models[p.Model] = &p
	t.last = &p
	return nil
}

func (t *priceTable) above(name string, tier Tier, words []string) error {
	if t.last == nil || t.last.Model != name {
		return errors.New("does not follow the line of its model")
	}
	n, err := figure(words[0], maxTierAbove)
	if err != nil {
		return err
	}
	tiers := t.last.Tiers
	if len(tiers) > 0 && tiers[len(tiers)-1].Above >= n {
		return errors.New("the tiers are not in ascending order")
	}
	tier.Above = n
	if err := tier.read(words[1:]); err != nil {
		return err
	}
	t.last.Tiers = append(tiers, tier)
	return nil
}

func (t *priceTable) alias(name string, words []string) error {
	if len(words) != 1 {
		return errors.New("an alias is of one model")
	}
	if err := t.once(name); err != nil {
		return err
	}
	target := words[0]
	if t.prices.models[name] != nil || name == anyModel {
		return errors.New("the alias is the name of a model")
	}
	if t.prices.models[target] == nil || target == anyModel {
		return errors.New("no line before has the model that the alias is for")
	}
	t.prices.aliases[name] = target
	return nil
}

// once makes sure that a table has a name once.
func (t *priceTable) once(name string) error {
	t.last = nil
	if t.seen[name] {
		return errors.New("the name stands twice")
	}
	t.seen[name] = true
	return nil
}

// read reads fields such as input=100. What is missing costs as input and output
// of the same line do.
func (r *Rates) read(words []string) error {
	fields := [...]struct {
		name string
		to   *int64
	}{{"input", &r.Input}, {"output", &r.Output}, {"cached", &r.Cached}, {"write", &r.CacheWrite}, {"reasoning", &r.Reasoning}}
	var has [len(fields)]bool
	next := 0
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		for next < len(fields) && fields[next].name != name {
			next++
		}
		if next == len(fields) {
			return errors.New("a field is unknown, stands twice or is out of order")
		}
		n, err := figure(value, maxRate)
		if err != nil {
			return err
		}
		*fields[next].to, has[next] = n, true
		next++
	}
	if !has[0] || !has[1] {
		return errors.New("input and output must be there")
	}
	for i, instead := range []int64{2: r.Input, 3: r.Input, 4: r.Output} {
		if !has[i] {
			*fields[i].to = instead
		}
	}
	return nil
}

// figure reads a number in its one form.
func figure(s string, limit int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > limit || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("a figure is not a number from 0 to %d", limit)
	}
	return n, nil
}

// priceName reports whether s can be the name of a model or source.
func priceName(s string) bool {
	const also = "-._:/@+"
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
