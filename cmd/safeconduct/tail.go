package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newTail() *cobra.Command {
	var follow bool
	var n int
	cmd := &cobra.Command{
		Use:   "tail LEDGER",
		Short: "Show the last records of a ledger, and those that come",
		Long: `Tail shows the last records of the ledger, each on one line: its time, its place
among its writer's, its kind, what it says, and its ID. With -f it goes on to
show those that come, until it is interrupted. It checks NO signature: for that
there is safeconduct verify.

Exit codes: 0 shown, 1 there are bytes that are no record, 2 not shown.`,
		Example: `  safeconduct tail ledger
  safeconduct tail -f -n 100 ledger`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 0 {
				return usagef("-n is negative")
			}
			ctx := cmd.Context()
			if follow { // to be interrupted is how it ends; a second signal kills
				var stop context.CancelFunc
				ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
				defer stop()
				context.AfterFunc(ctx, stop)
			}
			return tail(ctx, cmd.OutOrStdout(), args[0], n, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().IntVarP(&n, "lines", "n", 10, "show the last `N` records first")
	return cmd
}

// A tailLine is a line, and the entry that it is of.
type tailLine struct {
	text string
	bad  bool
}

func tail(ctx context.Context, w io.Writer, dir string, n int, follow bool) error {
	var last []tailLine // the newest n, or a few more
	var after evidence.Entry
	good := 0 // of last, up to and with the last record
	for e, err := range evidence.Read(dir) {
		switch {
		case ctx.Err() != nil:
			return nil // interrupted by whoever looks on
		case err != nil && e.Segment == 0:
			return withHint(err)
		case err == nil:
			after = e
		}
		if len(last)/2-50 >= n {
			good = max(0, good-(len(last)-n))
			last = append(last[:0], last[len(last)-n:]...)
		}
		last = append(last, newTailLine(&e, err))
		if err == nil {
			good = len(last)
		}
	}
	if follow { // what comes after the last record is looked at again
		last = last[:good]
	}
	out := bufio.NewWriter(w)
	bad := false
	for _, l := range last[max(0, len(last)-n):] {
		bad = bad || l.bad
		fmt.Fprintln(out, l.text)
	}
	if err := out.Flush(); err != nil || !follow {
		return orDamaged(err, bad)
	}
	for e, err := range evidence.Follow(ctx, dir, after) {
		if err != nil && e.Segment == 0 {
			return withHint(err)
		}
		l := newTailLine(&e, err)
		bad = bad || l.bad
		if _, err := fmt.Fprintln(w, l.text); err != nil {
			return err
		}
	}
	return orDamaged(nil, bad)
}

// newTailLine returns the line of an entry.
func newTailLine(e *evidence.Entry, err error) tailLine {
	if err != nil {
		return tailLine{"DAMAGE: " + escape(strings.TrimPrefix(err.Error(), "evidence: ")), true}
	}
	r := e.Record
	at := r.Time.UTC().Format("2006-01-02 15:04:05.000")
	line := fmt.Sprintf("%s  %4d  %-14s  %s", at, r.Seq, escape(string(r.Kind)), summary(r))
	return tailLine{strings.TrimRight(line, " ") + "  " + escape(r.ID), false} // last: it is what an 80th column may cut off
}
