package ship

import (
	"slices"

	"example.com/safeconduct/evidence/record"
)

// maxRefusals bounds the refusals that wait to be recorded. While there are so
// many nothing more is shipped.
const maxRefusals = 16

// RecordRefusalsNow has refusals recorded without a rest between them, from now on.
func (x *Shipper) RecordRefusalsNow() { x.urgent.Store(true) }

// refuse notes that records were parked, for a record to say so. It leaves the
// refusal alone that is being recorded.
func (c *cursor) refuse(r *refusal, telling *record.Refusal) {
	for _, env := range r.envelopes {
		rec, err := record.Parse(env)
		if err != nil || rec.Kind.AboutDelivery() {
			continue
		}
		extend(c.refusalOf(r.classes, telling), rec)
	}
}

// refusalOf returns the refusal, with room for another range, that an error of such
// classes belongs to.
func (c *cursor) refusalOf(classes []string, telling *record.Refusal) *record.Refusal {
	for _, f := range c.Refused {
		if f != telling && len(f.Ranges) < record.MaxRanges && slices.Equal(f.Error, classes) {
			return f
		}
	}
	f := &record.Refusal{Error: classes, Exporter: c.Exporter}
	c.Refused = append(c.Refused, f)
	return f
}

// extend adds a record to those of a refusal.
func extend(f *record.Refusal, r *record.Record) {
	f.Count++
	if n := len(f.Ranges); n > 0 && f.Ranges[n-1].Writer == r.Writer && f.Ranges[n-1].To == r.Seq-1 {
		f.Ranges[n-1].To = r.Seq
		return
	}
	f.Ranges = append(f.Ranges, record.Range{From: r.Seq, To: r.Seq, Writer: r.Writer})
}
