package evidence

import (
	"errors"
	"slices"
)

// A Refusal says which records a sink refused for good. They are in the ledger,
// and are not sent again by themselves: see [Resend].
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

const (
	// maxRanges bounds the ranges of one record.
	maxRanges = 64

	// maxRefusals bounds the refusals that wait to be recorded. While there
	// are so many nothing more is shipped.
	maxRefusals = 16
)

func (f *Refusal) validate() error {
	if !isExporterName(f.Exporter) || f.Count == 0 || len(f.Ranges) == 0 || len(f.Ranges) > maxRanges {
		return errors.New("refused without count, exporter or ranges, or with too many")
	}
	var span uint64
	for _, r := range f.Ranges {
		if r.From == 0 || r.To < r.From || r.To > maxInt || !isUUIDv7(r.Writer) {
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
	if !isExporterName(b.Exporter) || b.Changes == 0 || b.Changes > maxInt || b.State != "open" && b.State != "closed" {
		return errors.New("breaker without exporter, changes or state")
	}
	return nil
}

// aboutDelivery reports whether records of the kind are about shipping. That they
// are refused is not recorded: there would be no end to it.
func (k RecordKind) aboutDelivery() bool { return k == KindDeliveryFailed || k == KindBreaker }

// sinkClasses returns the classes of what a sink returned, each as long as a
// record takes a name: a sink names its own types.
func sinkClasses(err error) []string {
	all := classes(err)
	for i, c := range all {
		all[i] = clean(c, maxName)
	}
	return all
}

// refuse notes that records were parked, for a record to say so. It leaves the
// refusal alone that is being recorded.
func (c *shipCursor) refuse(r *refusal, telling *Refusal) {
	for _, env := range r.envelopes {
		rec, err := ParseEnvelope(env)
		if err != nil || rec.Kind.aboutDelivery() {
			continue
		}
		c.refusalOf(r.err, telling).add(rec)
	}
}

// refusalOf returns the refusal, with room for another range, that such an error
// belongs to.
func (c *shipCursor) refusalOf(err []string, telling *Refusal) *Refusal {
	for _, f := range c.Refused {
		if f != telling && len(f.Ranges) < maxRanges && slices.Equal(f.Error, err) {
			return f
		}
	}
	f := &Refusal{Error: err, Exporter: c.Exporter}
	c.Refused = append(c.Refused, f)
	return f
}

func (f *Refusal) add(r *Record) {
	f.Count++
	if n := len(f.Ranges); n > 0 && f.Ranges[n-1].Writer == r.Writer && f.Ranges[n-1].To == r.Seq-1 {
		f.Ranges[n-1].To = r.Seq
		return
	}
	f.Ranges = append(f.Ranges, Range{From: r.Seq, To: r.Seq, Writer: r.Writer})
}
