package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newExport() *cobra.Command {
	var envelopes, tiles string
	cmd := &cobra.Command{
		Use:   "export LEDGER --dsse FILE | --tiles DIR",
		Short: "Write a ledger in a form that other tools read",
		Long: `Export writes the ledger for other tools. With --dsse each record goes to FILE
as one line, a DSSE envelope; a minus stands for standard output. With --tiles
the records that the newest checkpoint covers go to DIR as a C2SP tlog-tiles
log, with the checkpoint, which can be served as static files; the key for tools
is printed.

FILE must not exist yet, and DIR must not either, or be empty. No root key is
needed, and none is checked: for that there is safeconduct verify.

Exit codes: 0 written, 2 not, with nothing left behind.`,
		Example: `  safeconduct export ledger --dsse records.jsonl
  safeconduct export ledger --tiles public`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (envelopes == "") == (tiles == ""):
				return usagef("give one of --dsse FILE and --tiles DIR")
			case tiles != "":
				return exportTiles(cmd.OutOrStdout(), args[0], tiles)
			case envelopes == "-":
				_, err := evidence.ExportEnvelopes(cmd.OutOrStdout(), args[0])
				return exportError(err)
			}
			return exportEnvelopes(cmd.OutOrStdout(), args[0], envelopes)
		},
	}
	cmd.Flags().StringVar(&envelopes, "dsse", "", "write each record as a line to a new `FILE`")
	cmd.Flags().StringVar(&tiles, "tiles", "", "write a tlog-tiles log to a new `DIR`")
	return cmd
}

// exportEnvelopes writes to a new file, which it removes again if that fails.
func exportEnvelopes(w io.Writer, dir, path string) (err error) {
	if err := isLedger(dir); err != nil {
		return withHint(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return exportError(withPath(path, err))
	}
	n, err := evidence.ExportEnvelopes(f, dir)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return exportError(err)
	}
	_, err = fmt.Fprintf(w, "%s to %s\n", count(n, "record"), escape(path))
	return err
}

func exportTiles(w io.Writer, dir, out string) error {
	if err := isLedger(dir); err != nil {
		return withHint(err)
	}
	cp, err := evidence.ExportTiles(out, dir)
	if err != nil {
		return exportError(err)
	}
	r := fields{w}
	r.field("records", "%d, to %s", cp.Head.Records, escape(out))
	r.field("root", "%s", cp.Head.Root)
	r.field("vkey", "%s", escape(cp.Key))
	_, err = fmt.Fprintf(w, "\nThe vkey is what other tools check the checkpoint with. Nothing here shows that\n"+
		"a root key introduced it: safeconduct verify %s --key FILE\n", escape(dir))
	return err
}

func exportError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: give another name, nothing is overwritten", err)
	case errors.Is(err, syscall.ENOTDIR): // the ledger is one
		return fmt.Errorf("%w: give another path to write to", err)
	}
	return withHint(err)
}
