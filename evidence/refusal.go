package evidence

import (
	"errors"
	"log/slog"
	"slices"
	"time"
)

// A Refusal says which records a sink refused for good. They are in the ledger,
// and are not sent again.
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

// tell records and logs what is due of the shipping itself.
func (x *shipper) tell() {
	now := time.Now()
	x.mu.Lock()
	notice := x.notice
	x.mu.Unlock()
	if notice != nil {
		x.tellBreaker(notice)
	}
	if n := len(x.cursor.Refused); n > 0 && x.telling == nil && !now.Before(x.retryRec) && (n > 1 || !now.Before(x.tellAt)) {
		x.tellRefusal(x.cursor.Refused[0])
	}
	if done := x.cursor.records(); now.Sub(x.said) >= sayEvery {
		if s := x.stats(); s.Lag > 0 || done != x.saidOf {
			x.log.info("shipping", slog.Any("", s))
		}
		x.said, x.saidOf = now, done
	}
}

func (x *shipper) tellBreaker(b *Breaker) {
	x.mu.Lock()
	x.notice = nil
	x.mu.Unlock()
	x.log.warn("an exporter's breaker is "+b.State, "exporter", x.Name, "changes", b.Changes, "error", b.Error)
	if !x.queue.isClosed() {
		// Where there is no room for it the queue declares it lost.
		_, _ = x.queue.put(false, &event{kind: KindBreaker, body: *b}, nil)
	}
}

// tellRefusal begins to record a refusal. It stays in the cursor until that is
// durable.
func (x *shipper) tellRefusal(f *Refusal) {
	x.retryRec = time.Now().Add(saveEvery)
	if x.queue.isClosed() {
		return // the next Recorder does it
	}
	done, err := x.queue.put(true, &event{kind: KindDeliveryFailed, body: *f}, nil)
	if err != nil {
		return
	}
	x.log.warn("a sink refused records for good", "exporter", x.Name, "records", f.Count, "error", f.Error)
	x.telling = f
	go func() { x.recorded <- <-done }() // the queue answers, at its end if not before
}

// toldRefusal takes the answer to that.
func (x *shipper) toldRefusal(err error) {
	f := x.telling
	x.telling = nil
	if err != nil {
		return
	}
	x.tellAt = time.Now().Add(sayEvery)
	x.mu.Lock()
	x.cursor.Refused = slices.DeleteFunc(x.cursor.Refused, func(other *Refusal) bool { return other == f })
	x.mu.Unlock()
	x.dirty = true
}
