package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Stats are the counts of a [Recorder] since it was opened.
type Stats struct {
	Durable uint64 `json:"durable"` // records that are on disk
	Waiting int    `json:"waiting"` // records that are not yet

	// Lost counts records that there was no room for, each declared in a gap, and
	// those that came after Close.
	Lost uint64 `json:"lost"`

	Overflowed int `json:"overflowed"` // of those waiting, the ones in the overflow file

	// FreeSpace is how many bytes the ledger's disk had left when last looked at,
	// about once a second while records come. LowSpace says that these are too few.
	FreeSpace int64 `json:"freeSpace"`
	LowSpace  bool  `json:"lowSpace"`

	// Of the payload store; zero without Config.Payloads.
	Kept    uint64 `json:"kept"`    // contents
	Dropped uint64 `json:"dropped"` // contents that there was no room for, or that could not be written

	Exporters []ExporterStats `json:"exporters,omitempty"` // in the order of Config.Exporters
}

// Stats returns the counts. Taken while the Recorder works, they need not be of
// one moment.
func (r *Recorder) Stats() Stats {
	queued, lost := r.queue.length()
	s := Stats{
		Durable: r.writer.durable.Load(),
		Waiting: queued + int(r.writer.inHand.Load()),
		Lost:    lost,

		Overflowed: r.writer.overflow.waiting(),
		FreeSpace:  r.writer.sealer.free.Load(),
		LowSpace:   r.writer.sealer.lowSpace.Load(),
	}
	if r.payloads != nil {
		s.Kept, s.Dropped, _ = r.payloads.stats()
	}
	for _, x := range r.shippers {
		s.Exporters = append(s.Exporters, ExporterStats(x.Stats()))
	}
	return s
}

// Vars returns the Stats, as they are whenever it is asked, as an expvar.Var:
//
//	expvar.Publish("safeconduct", recorder.Vars())
//
// Its String gives JSON: the fields of [Stats] by the names in their tags, and the
// classes of errors, never what they say. This package does not import expvar,
// which would serve /debug/vars on the default mux.
func (r *Recorder) Vars() fmt.Stringer { return statsVar{r} }

type statsVar struct{ recorder *Recorder }

type exporterVars struct {
	ExporterStats
	Error       []string `json:"error,omitempty"`
	CursorError []string `json:"cursorError,omitempty"`
}

// String returns JSON.
func (v statsVar) String() string {
	s := v.recorder.Stats()
	out := struct {
		Stats
		Error     []string       `json:"error,omitempty"`
		Exporters []exporterVars `json:"exporters,omitempty"`
	}{Stats: s, Error: errorClasses(v.recorder.Err())}
	for _, x := range s.Exporters {
		out.Exporters = append(out.Exporters, exporterVars{x, errorClasses(x.Err), errorClasses(x.CursorErr)})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic("evidence: stats: " + err.Error()) // there is nothing in them that JSON cannot hold
	}
	return string(b)
}

// A logger says what a person should know of, without content. It does without
// a slog.Logger, and with one that panics.
type logger struct{ to *slog.Logger }

func (l logger) warn(msg string, args ...any) { l.say(slog.LevelWarn, msg, args...) }
func (l logger) info(msg string, args ...any) { l.say(slog.LevelInfo, msg, args...) }

func (l logger) say(level slog.Level, msg string, args ...any) {
	if l.to == nil {
		return
	}
	defer func() { _ = recover() }() // a handler that panics must not stop us
	l.to.Log(context.Background(), level, "evidence: "+msg, args...)
}
