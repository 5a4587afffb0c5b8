package evidence

import (
	"cmp"
	"crypto"
	"fmt"
	"log/slog"
	"time"

	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

// An Exporter says how a [Sink] gets the records of a ledger, from its beginning
// on, each at least once. It follows the ledger behind a cursor, a file in the
// ledger's directory: while the sink is away the cursor waits, and nothing is
// buffered, dropped or too old. A file that is damaged, not of this ledger, or not
// made by a holder of its root key, counts as none: the sink gets what it has again.
// So it does once after a rotation by another process, and at each start where the
// root key is a device that never gives the same signature twice.
//
// Calls of the sink get up to 256 records or 1 MiB, whichever comes first, and
// what there is 200 ms after a record came. A call that fails is made again, after
// a pause that is a random part of a bound that doubles (full jitter) or as long as
// the sink asks for, if that is shorter than MaxBackoff. After failures in a row a
// breaker opens: the sink is left alone, and then gets one call to see. It opens at
// once where the sink does not know us, a token is wrong say: nothing is refused by
// that, the Logger hears of it as an error, once a minute, and all goes out in order
// when somebody has seen to it.
//
// A sink that misses what the cursor says it has gets it again, from there on: at
// once the first time, and then, where that does not help, ever more rarely.
type Exporter struct {
	// Name names the cursor's file, and the exporter in records and Stats: at
	// most 64 lower-case letters, digits, "-" and "_", different for each
	// exporter of a Recorder. If it is empty, "default". Another Sink under the
	// name of an earlier one gets only what that one did not: give it a new one.
	Name string

	// Sink gets the records. It must not be nil.
	Sink Sink

	// Unordered lets calls of the sink overlap, which then gets records of one
	// writer in any order. Otherwise one call is made at a time, and records
	// come in the order of the ledger.
	Unordered bool

	// Concurrency bounds the calls under way where Unordered is set. Zero means 8.
	Concurrency int

	// Timeout bounds one call. Zero means 30 seconds.
	Timeout time.Duration

	// MinBackoff and MaxBackoff bound the pause after a first failure, and after
	// any. Zero means half a second, and 30 seconds.
	MinBackoff, MaxBackoff time.Duration

	// Attempts bounds the calls with one batch before it rests for MaxBackoff,
	// or for as long as the breaker is open. Zero means 5. So many failures in a
	// row open the breaker, but at least 5, and more where calls overlap.
	Attempts int

	// OpenFor is how long the breaker stays open before a call that probes. Zero
	// means 30 seconds.
	OpenFor time.Duration
}

// complete returns e with its documented defaults. It panics where e makes no
// sense.
func (e Exporter) complete() Exporter {
	e.Name = cmp.Or(e.Name, "default")
	switch {
	case e.Sink == nil:
		panic("evidence: Open: an exporter without a sink")
	case !record.IsExporterName(e.Name):
		panic(fmt.Sprintf("evidence: Open: an exporter cannot be called %q", e.Name))
	case e.Concurrency < 0 || e.Timeout < 0 || e.MinBackoff < 0 || e.MaxBackoff < 0 || e.Attempts < 0 || e.OpenFor < 0:
		panic("evidence: Open: negative bound of an exporter")
	}
	e.MaxBackoff = cmp.Or(e.MaxBackoff, 30*time.Second)
	e.Concurrency = cmp.Or(e.Concurrency, 8)
	if !e.Unordered {
		e.Concurrency = 1
	}
	return e
}

// cursorKey returns the key of the exporters' cursors under a root key.
func cursorKey(root crypto.Signer, ledger string) ([]byte, error) {
	pub, err := rootOf(root)
	if err != nil {
		return nil, err
	}
	return ship.CursorKey(ledger, func(message []byte) ([]byte, error) { return signWith(root, pub, message) })
}

// Resend has an exporter of the ledger in the directory dir send all records again,
// from the first one on, those included that its sink refused for good: sinks know
// by [record.Record.ID] what they have. It leaves a file beside the exporter's cursor,
// which is taken up within a minute, once what is under way has come to its end, or
// when the ledger is opened again. So it may be called while the ledger is written,
// from any process, and needs no key.
//
// A sink that misses records says so by itself, and needs no Resend: see [Sink]. The
// error wraps [ErrNotLedger], or fs.ErrNotExist where no exporter of that name has
// shipped anything.
func Resend(dir, exporter string) error {
	if err := ship.Resend(dir, exporter); err != nil {
		return fmt.Errorf("evidence: resend: %w", err)
	}
	return nil
}

// ExporterStats are the counts of an [Exporter]. Shipped, Parked and Lag are of
// one moment, and together all durable records of the ledger.
type ExporterStats struct {
	Name    string `json:"name"`
	Shipped uint64 `json:"shipped"` // records that the sink took, and all before them were dealt with
	Parked  uint64 `json:"parked"`  // records that it refused for good
	Lag     uint64 `json:"lag"`     // durable records that are neither

	LagBytes int64         `json:"lagBytes"` // of these, with their frames
	LagTime  time.Duration `json:"lagTime"`  // how old the oldest of these is, by the wall clock, in nanoseconds

	// Since the Recorder was opened.
	Attempts uint64 `json:"attempts"` // calls of the sink
	Failures uint64 `json:"failures"` // those that failed, were refused or were taken in part
	Retried  uint64 `json:"retried"`  // calls that followed a failed one

	Breaker string `json:"breaker"` // "closed", "open" or "half-open"

	// Unauthorized says that the sink does not know us, or that we may not send
	// to it: records wait in the ledger until somebody has seen to that.
	Unauthorized bool `json:"unauthorized"`

	// Err is why the last call failed, or why the ledger could not be read; nil
	// if neither did. CursorErr is why the cursor could not be kept.
	Err       error `json:"-"`
	CursorErr error `json:"-"`
}

// LogValue returns the counts, and the classes of the errors in place of what
// they say.
func (s ExporterStats) LogValue() slog.Value {
	return ship.Stats(s).Value(errorClasses)
}
