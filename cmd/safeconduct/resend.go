package main

import (
	"errors"
	"fmt"
	"io/fs"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newResend() *cobra.Command {
	return &cobra.Command{
		Use:   "resend LEDGER EXPORTER",
		Short: "Have an exporter send all records again",
		Long: `Resend has an exporter of the ledger send all records again, from the first one
on, including those that its sink refused for good. A sink knows the records
that it has by their IDs. EXPORTER is the name that the agent gave it, "default"
if it gave none.

It leaves a file beside the exporter's cursor, and so it may be called while the
agent runs: the agent takes it up within a minute, or when it starts. No key is
needed. A collector says by itself which records it misses, and needs none of
this.

Exit codes: 0 asked for, 2 not.`,
		Example:           `  safeconduct resend ledger default`,
		Args:              wantArgs("LEDGER", "EXPORTER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch err := evidence.Resend(args[0], args[1]); {
			case errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("%w: check the path, and the name of the exporter", err)
			case err != nil:
				return withHint(err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), `exporter  %s

It sends all records again, within a minute if its agent runs, or when that starts.
`, escape(args[1]))
			return err
		},
	}
}
