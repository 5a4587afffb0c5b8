package gates_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/gates"

	"example.com/safeconduct/internal/missing"
)

// listed calls f with the words of each line of the list that has figures.
func listed(t *testing.T, f func(kind string, words []string)) {
	t.Helper()
	data, err := os.ReadFile("prices.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if kind := words[0]; kind == "model" || kind == "above" || kind == "alias" {
			f(kind, words[1:])
		}
	}
}

// TestListPrices checks that every model of the list has a price that is not
// zero, its date and its source.
func TestListPrices(t *testing.T) {
	p := gates.ListPrices()
	models, tiers, aliases := 0, 0, 0
	listed(t, func(kind string, words []string) {
		price, err := p.Price(words[2])
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "model":
			models++
		case "above":
			tiers++
		case "alias":
			aliases++
			if price.Model != words[3] {
				t.Errorf("alias %s: got %s, want %s", words[2], price.Model, words[3])
			}
		}
		rates := []gates.Rates{price.Rates}
		for _, tier := range price.Tiers {
			rates = append(rates, tier.Rates)
			if tier.Date == "" || tier.Source == "" || tier.Above < 100_000 {
				t.Errorf("%s: got tier %+v", words[2], tier)
			}
		}
		for _, r := range rates {
			if min(r.Input, r.Output, r.Cached, r.CacheWrite, r.Reasoning) <= 0 || r.Cached > r.Input {
				t.Errorf("%s: got %+v", words[2], r)
			}
		}
		if price.Date != "2026-07-24" || !strings.Contains(price.Source, "https://") {
			t.Errorf("%s: got date %q and source %q", words[2], price.Date, price.Source)
		}
	})
	if models < 100 || tiers < 10 || aliases < 30 {
		t.Errorf("got %d models, %d tiers and %d aliases", models, tiers, aliases)
	}
}

// TestCorpusPrices holds every figure of the list against the table that it was
// converted from, which has dollars per token.
func TestCorpusPrices(t *testing.T) {
	dir := os.Getenv("SAFECONDUCT_CORPORA")
	if dir == "" {
		missing.Skip(t, "corpora", "SAFECONDUCT_CORPORA is unset")
	}
	data, err := os.ReadFile(filepath.Join(dir, "price-table", "model_prices_and_context_window.json"))
	if err != nil {
		t.Fatal(err)
	}
	var table map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	field := map[string]string{
		"input": "input_cost_per_token", "output": "output_cost_per_token",
		"cached": "cache_read_input_token_cost", "write": "cache_creation_input_token_cost",
		"reasoning": "output_cost_per_reasoning_token",
	}
	figures := 0
	same := func(name, suffix string, words []string) {
		for _, w := range words {
			key, value, _ := strings.Cut(w, "=")
			perToken, ok := new(big.Rat).SetString(string(table[name][field[key]+suffix]))
			if !ok {
				t.Errorf("%s: the table has no %s", name, field[key]+suffix)
				continue
			}
			figures++
			if got := perToken.Mul(perToken, big.NewRat(1_000_000_000_000, 1)); got.RatString() != value {
				t.Errorf("%s: got %s=%s, want %s", name, key, value, got.RatString())
			}
		}
	}
	listed(t, func(kind string, words []string) {
		switch kind {
		case "model":
			same(words[2], "", words[3:])
		case "above":
			same(words[2], fmt.Sprintf("_above_%sk_tokens", strings.TrimSuffix(words[3], "000")), words[4:])
		case "alias":
			price, err := gates.ListPrices().Price(words[2])
			if err != nil {
				t.Fatal(err)
			}
			same(words[2], "", []string{fmt.Sprintf("input=%d", price.Input), fmt.Sprintf("output=%d", price.Output)})
		}
	})
	if figures < 300 {
		t.Errorf("got %d figures, want hundreds", figures)
	}
}
