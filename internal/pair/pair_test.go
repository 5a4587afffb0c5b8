package pair_test

import (
	"errors"
	"testing"

	"example.com/safeconduct/internal/pair"
)

// twice does what SHA256 does, twice.
func twice(n int) {
	pair.SHA256(n)
	pair.SHA256(n)
}

func TestCompare(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	results, err := pair.Compare(pair.SHA256, pair.SHA256, twice)
	if errors.Is(err, pair.ErrVoid) {
		t.Skip(err) // a noisy machine: says nothing about the code
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{1, 2} {
		if got := results[i]; got.Ratio < 0.95*want || got.Ratio > 1.05*want || got.Low > got.Ratio || got.High < got.Ratio {
			t.Errorf("got %+v, want a ratio of %v", got, want)
		}
	}
}

func TestWantAllocs(t *testing.T) {
	var keep *int
	pair.WantAllocs(t, 1, func() { keep = new(int) })
	_ = keep
}
