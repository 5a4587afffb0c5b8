package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newInspect() *cobra.Command {
	var only string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect LEDGER",
		Short: "Show the runs in a ledger as timelines",
		Long: `Inspect shows the runs in the ledger in LEDGER: who called what, what came of
it, how long it took and how many tokens went in and out, what gates denied or
changed and why. It checks NO signature: for that there is safeconduct verify.

A run is shown once it has ended, or else once its writer has. A call without an
outcome is unknown: nobody knows what came of it. Where a provider reported no
tokens there is a question mark.

With --json it prints all that the records hold, each on one line, with the hash
that identifies it.

Exit codes: 0 shown, 1 there are bytes that are no record, 2 not shown.`,
		Example: `  safeconduct inspect ledger
  safeconduct inspect ledger --run EBLQSKWUOFIKP7K3EAXIGJW4PE
  safeconduct inspect ledger --json |
    jq 'select(.record.outcome.result == "denied")'`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("run") && only == "" {
				return usagef("--run is empty")
			}
			return inspect(cmd.Context(), cmd.OutOrStdout(), args[0], only, asJSON)
		},
	}
	cmd.Flags().StringVar(&only, "run", "", "show only the run with this `ID`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each record as one line of JSON")
	return cmd
}

// A view shows the entries of a ledger, one after the other.
type view interface {
	entry(e *evidence.Entry) error
	damage(e *evidence.Entry, err error) error
	end() error
}

func inspect(ctx context.Context, w io.Writer, dir, only string, asJSON bool) error {
	out := bufio.NewWriter(w)
	var v view = newTimelines(out, dir)
	if asJSON {
		v = jsonLines{out}
	}
	shown, bad, err := showEntries(ctx, v, dir, only)
	switch {
	case err != nil:
	case only != "" && !shown:
		err = fmt.Errorf("no run %s in the ledger %s: safeconduct inspect %s shows all", only, dir, dir)
	default:
		err = v.end()
	}
	if ferr := out.Flush(); ferr != nil {
		return ferr
	}
	return orDamaged(err, bad)
}

// showEntries has v show the entries of the ledger in dir: all, or those of one run. It
// reports whether there were any, and whether there was anything else.
func showEntries(ctx context.Context, v view, dir, only string) (shown, bad bool, err error) {
	for e, err := range evidence.Read(dir) {
		if ctx.Err() != nil {
			return shown, bad, ctx.Err()
		}
		switch {
		case err != nil && e.Segment == 0:
			return shown, bad, withHint(err)
		case err != nil:
			bad = true
			err = v.damage(&e, err)
		case only == "" || e.Record.Run == only:
			shown = true
			err = v.entry(&e)
		}
		if err != nil {
			return shown, bad, err
		}
	}
	return shown, bad, nil
}

// jsonLines shows each entry as a line of JSON.
type jsonLines struct{ w io.Writer }

// A line is what jsonLines shows.
type line struct {
	Segment uint64         `json:"segment"`
	Offset  int64          `json:"offset"`
	Hash    *record.Hash   `json:"hash,omitzero"`
	Subject *subject       `json:"subject,omitzero"`
	Record  *record.Record `json:"record,omitzero"`
	Error   string         `json:"error,omitzero"` // of bytes that are no record
}

type subject struct {
	Name   string      `json:"name"`
	Digest record.Hash `json:"sha256"`
}

func (j jsonLines) entry(e *evidence.Entry) error {
	return writeJSON(j.w, line{
		Segment: e.Segment, Offset: e.Offset, Hash: &e.Hash,
		Subject: &subject{e.Subject.Name, e.Subject.Digest}, Record: e.Record,
	}, "")
}

func (j jsonLines) damage(e *evidence.Entry, err error) error {
	return writeJSON(j.w, line{Segment: e.Segment, Offset: e.Offset, Error: err.Error()}, "")
}

func (j jsonLines) end() error { return nil }
