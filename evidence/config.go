package evidence

import (
	"crypto"
	"fmt"
	"log/slog"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A Config says how a [Recorder] works. The zero Config is ready to use: every
// tool counts as having side effects, each record is signed, and a new root key
// is made. Printing or logging it does not show the Key.
type Config struct {
	// Key is the root key. It signs statements about session keys, which live
	// in memory and sign the records and checkpoints: so a key that a KMS or
	// an HSM holds is asked once at Open and once a day, and once more at Open
	// where there are Exporters. Its Public must give an ed25519.PublicKey, as
	// an ed25519.PrivateKey does. If it is nil, Open makes one that lives as
	// long as the Recorder does: enough to start a ledger, not to continue one.
	//
	// Package fmt shows the bytes of a PrivateKey where a Config is in an
	// unexported field of what is printed: it can call no method there.
	Key crypto.Signer

	// Ledger is the origin that a new ledger gets, its name in every record
	// and checkpoint: at most 255 bytes without white space, control characters
	// or "+". If it is empty, a new ledger gets a random one, and an existing
	// one keeps its own; otherwise an existing one must have the same.
	Ledger string

	// Signing says what the session keys sign. If it is empty, record.SignRecords.
	Signing record.Signing

	// ReadOnly names the tools that have no side effects, as they were
	// registered: they run without waiting for their intent to be durable.
	ReadOnly []string

	// BestEffort names the tools that have side effects and run all the same
	// before their intent is durable, and even if it never is. Each of their
	// intents says so.
	BestEffort []string

	// Effects says how a call is treated that neither list names; "" is as if
	// it had not been asked. It is called before each call, by any number of
	// goroutines, and must not keep the call's Input. If it panics, or gives a
	// word of its own, the call is treated as record.EffectsDurable. It may be nil.
	Effects func(middleware.Call) record.Effects

	// Patience bounds how long a call waits for its intent to be durable. Zero
	// means 5 seconds.
	Patience time.Duration

	// Queue bounds the records that wait to be encoded; the contents that they
	// hold on to are bounded by 64 MiB. What comes while it is full is lost,
	// and declared in a gap. Zero means 8192.
	Queue int

	// Overflow is a directory for the records that the ledger's own disk does
	// not take at the moment, on another disk say: it must exist, and be for
	// this ledger alone. What is left there by a process that died is taken
	// over by the next Recorder of the ledger, if that is given the same; a
	// later one can only set it aside, as overflow.seg.DIGEST. If it is empty,
	// they go to a file in the ledger.
	Overflow string

	// Payloads has the contents kept beside the ledger, encrypted. If it is
	// nil, they are not kept.
	Payloads *Payloads

	// Disclose gets what opens each commitment, about when the record is
	// written. It is called from one goroutine and should be quick: later
	// records wait for it. If neither it nor Payloads keeps the contents, no
	// commitment can ever be opened.
	Disclose func(record.Disclosure)

	// OmitMadeUp leaves out of records what a model made up in the place of a
	// name: of a tool that is neither registered nor was offered to it, of a
	// stop reason that no provider gives, and what stands in quotes in the
	// reasons of denials, where gates show such names. Of names and stop
	// reasons their SHA-256 is left. If it is false they stand there, cut to
	// 64 bytes and with all escaped that does not print.
	OmitMadeUp bool

	// Publish gets each signed checkpoint, about one a second while records
	// come, and one soon after a run ends. Kept where the agent's process
	// cannot change it, the newest shows later whether the ledger was cut or
	// rewritten: see VerifyOptions.Checkpoints. It is called from one
	// goroutine; checkpoints wait for it, and records do not. It may be nil.
	Publish func(checkpoint []byte)

	// Logger hears when records cannot be written and when they can again,
	// when the disk is nearly full, and of a checkpoint a minute: its size and
	// root as Info, and all of it as Debug, which makes the log a second place
	// where one is kept. It never hears contents, and should be quick: records
	// may wait for it. If it is nil, slog.Default hears one line, should calls
	// come to lack their record, and why. Nothing else is logged.
	Logger *slog.Logger

	// LowSpace is how many free bytes on the disk count as too few, which the
	// Logger hears of and Stats show. Zero means 256 MiB.
	LowSpace int64

	// Predecessor is the ledger that a new one succeeds. It may be nil, and
	// must be where the ledger is not new.
	Predecessor *record.Predecessor

	// Exporters ship the records of the ledger. None of them delays a call.
	Exporters []Exporter
}

// String names the ledger.
func (c Config) String() string { return fmt.Sprintf("evidence.Config of ledger %q", c.Ledger) }

// GoString does the same: %#v would show the key.
func (c Config) GoString() string { return c.String() }

// LogValue does the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
