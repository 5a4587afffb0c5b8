// Telemetry ships what an agent does to a collector on this machine, which is
// stopped and started again while the agent works. No call waits for it, and
// nothing is lost. The agent is that of the quickstart, on a recording that ships
// with langchaingo.
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tmc/langchaingo/chains"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/httpsink"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/gates"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "telemetry:", err)
		os.Exit(1)
	}
}

const question = "What is 15 multiplied by 4?"

func run(ctx context.Context, w io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "telemetry-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system empties it else
	key, err := trust.GenerateKey()
	if err != nil {
		return err
	}
	c, err := newCollector(filepath.Join(dir, "collected"), key.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()

	sink, err := httpsink.New(httpsink.Config{
		URL:           c.url("/v1/records"),
		CheckpointURL: c.url("/v1/checkpoints/{ledger}"),
		Token:         func() string { return token },
	})
	if err != nil {
		return err
	}
	recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		Key: key, Ledger: ledger, Publish: sink.Publish,
		// An example cannot wait as long as the defaults do.
		Exporters: []evidence.Exporter{{Sink: sink.Send, MinBackoff: 10 * time.Millisecond, OpenFor: 100 * time.Millisecond}},
	})
	if err != nil {
		return err
	}

	ask := func() error {
		executor, err := newExecutor(ctx)
		if err != nil {
			return err
		}
		answer, err := chains.Run(ctx, langchaingo.Executor(executor, recorder.Intercept, gates.Tools("calculator")), question)
		fmt.Fprintf(w, "  %s %s\n", question, strings.TrimSpace(answer))
		return err
	}
	show := func() {
		x := recorder.Stats().Exporters[0]
		fmt.Fprintf(w, "  shipped %d, lag %d, breaker %s\n", x.Shipped, x.Lag, x.Breaker)
	}

	fmt.Fprintln(w, "the collector is up")
	if err := errors.Join(ask(), recorder.Flush(ctx)); err != nil {
		return err
	}
	show()

	fmt.Fprintln(w, "the collector is stopped")
	if err := errors.Join(c.stop(), ask()); err != nil {
		return err
	}
	if err := recorder.Flush(ctx); err == nil { // on disk, and the sink is known to be away
		return errors.New("what was recorded was shipped to nobody")
	}
	show()

	fmt.Fprintln(w, "the collector is up again")
	if err := errors.Join(c.start(), ask()); err != nil {
		return err
	}
	for recorder.Flush(ctx) != nil && ctx.Err() == nil { // until the breaker lets a call through
		time.Sleep(10 * time.Millisecond)
	}
	show()

	if err := errors.Join(recorder.Close(ctx), sink.Close(ctx)); err != nil {
		return err
	}
	return compare(w, filepath.Join(dir, "ledger"), c, recorder)
}

// compare checks what the collector has: the same ledger, and the checkpoint by
// which a ledger that was cut back at the agent would show.
func compare(w io.Writer, dir string, c *site, recorder *evidence.Recorder) error {
	stored, err := c.ledger()
	if err != nil {
		return err
	}
	var ours, theirs bytes.Buffer
	if _, err := evidence.ExportEnvelopes(&ours, dir); err != nil {
		return err
	}
	n, err := evidence.ExportEnvelopes(&theirs, stored)
	if err != nil {
		return err
	}
	report, err := evidence.Verify(stored, evidence.VerifyOptions{Keys: []ed25519.PublicKey{recorder.PublicKey()}})
	if err != nil {
		return err
	}
	checkpoint, err := c.checkpoint()
	switch {
	case err != nil:
		return err
	case !report.Intact():
		return errors.New("what the collector has is damaged")
	case !bytes.Equal(ours.Bytes(), theirs.Bytes()):
		return errors.New("what the collector has is not what the agent has")
	case !bytes.Equal(checkpoint, recorder.Checkpoint()):
		return errors.New("the collector's checkpoint is not the agent's newest")
	}
	fmt.Fprintf(w, `what the collector has
  %d records, intact, byte for byte the agent's
  the agent's newest checkpoint
`, n)
	return nil
}
