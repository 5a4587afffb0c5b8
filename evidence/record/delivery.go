package record

import (
	"errors"
	"strings"
)

// A Refusal says which records a sink refused for good. They are in the ledger,
// and are not sent again by themselves.
type Refusal struct {
	Count    uint64   `json:"count"`           // of the records
	Error    []string `json:"error,omitempty"` // classes of what the sink returned, outermost first; never messages
	Exporter string   `json:"exporter"`        // by name
	Ranges   []Range  `json:"ranges,omitempty"`
}

// A Range is a part of a writer's records, by their numbers, both ends included.
type Range struct {
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Writer string `json:"writer"`
}

// A Breaker says that the breaker of an exporter opened or closed.
type Breaker struct {
	Changes  uint64   `json:"changes"`         // how often it did since the exporter's record before, this once included
	Error    []string `json:"error,omitempty"` // classes of why the last call of the sink failed
	Exporter string   `json:"exporter"`        // by name
	State    string   `json:"state"`           // what it is now, "open" or "closed"
}

// MaxRanges bounds the ranges of one [Refusal].
const MaxRanges = 64

// Validate returns what makes no sense in the refusal, nil if all does.
func (f *Refusal) Validate() error {
	if !IsExporterName(f.Exporter) || f.Count == 0 || len(f.Ranges) == 0 || len(f.Ranges) > MaxRanges {
		return errors.New("refused without count, exporter or ranges, or with too many")
	}
	var span uint64
	for _, r := range f.Ranges {
		if r.From == 0 || r.To < r.From || r.To > MaxInt || !isUUIDv7(r.Writer) {
			return errors.New("refused: a range that is none")
		}
		span += r.To - r.From + 1 // 64 times 2^53 at most
	}
	if f.Count != span {
		return errors.New("refused: another count than that of its ranges")
	}
	return nil
}

func (b *Breaker) validate() error {
	if !IsExporterName(b.Exporter) || b.Changes == 0 || b.Changes > MaxInt || b.State != "open" && b.State != "closed" {
		return errors.New("breaker without exporter, changes or state")
	}
	return nil
}

// AboutDelivery reports whether records of the kind are about shipping records. That
// a sink refuses those is not recorded: there would be no end to it.
func (k Kind) AboutDelivery() bool { return k == KindDeliveryFailed || k == KindBreaker }

// IsExporterName reports whether s can name an exporter: lower-case letters,
// digits, "-" and "_", and at most 64 of them.
func IsExporterName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
