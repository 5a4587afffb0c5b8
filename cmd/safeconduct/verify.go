package main

import (
	"bufio"
	"io"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newVerify() *cobra.Command {
	var trust trustFlags
	var asJSON, progress bool
	cmd := &cobra.Command{
		Use:   "verify LEDGER --key FILE",
		Short: "Check that a ledger is whole and signed by the keys given",
		Long: `Verify checks the ledger in the directory LEDGER against root keys: that they
signed the keys of its sessions, that these signed the records, that no record
is missing, changed or out of order, that the tree and the checkpoints match the
records, and that the beginnings and ends of calls and runs agree. It names the
first bad record and what is wrong with it.

Keys are trusted because they are given, never because the ledger names them. A
policy bounds them, in time and in records; see trust.Policy for its form.

An intact ledger can hold runs that did not end (interrupted, or still under
way), calls without an outcome (unknown) and losses that it declares (gaps).

That a ledger was cut off at its end, or rewritten by somebody who has the key,
shows only against a checkpoint that was kept elsewhere: keep some, with
safeconduct checkpoint, and give them with --checkpoint.

Where a session signs only checkpoints and the last of the records that are
written at once, the ledger ends with its last signature: records after it are
no evidence, and the report says how many there are. The next opening cuts them
off, and reports say so from then on.

Exit codes: 0 intact, 1 damaged, 2 not checked (wrong arguments, no such key,
not a ledger, another version), 3 nothing to check: the ledger holds no record
yet. With --json the report goes to standard output, with codes 0 and 1 only.`,
		Example: `  safeconduct verify ledger --key agent.key.pub
  safeconduct verify ledger --key old.pub --key new.pub --ledger prod --json
  safeconduct verify ledger --policy trust.json --checkpoint monday.checkpoint`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := trust.options(cmd)
			if err != nil {
				return err
			}
			line := newProgress(cmd.ErrOrStderr(), progress)
			opts.Progress = line.show
			report, err := evidence.Verify(args[0], opts)
			line.clear()
			if err != nil {
				return withHint(trust.namingCheckpoint(err))
			}
			return showReport(cmd.OutOrStdout(), args[0], &opts, report, asJSON)
		},
	}
	trust.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().BoolVar(&progress, "progress", false, "show progress even if standard error is no terminal")
	return cmd
}

// completeDir has the shell complete one directory.
func completeDir(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func showReport(w io.Writer, dir string, opts *evidence.VerifyOptions, report *evidence.Report, asJSON bool) (err error) {
	if asJSON {
		err = writeJSON(w, struct {
			Intact bool `json:"intact"`
			*evidence.Report
		}{report.Intact(), report}, "  ")
	} else {
		out := bufio.NewWriter(w)
		writeReport(out, dir, trusted(opts), report)
		err = out.Flush()
	}
	return orDamaged(err, !report.Intact())
}
