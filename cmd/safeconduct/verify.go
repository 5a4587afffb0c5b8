package main

import (
	"bufio"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newVerify() *cobra.Command {
	var keys []string
	var ledger string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify DIR --key FILE",
		Short: "Check that a ledger is whole and signed by the keys given",
		Long: `Verify checks the ledger in DIR against public keys: that each record is signed
by one of them, that none is missing, changed or out of order, and that the
beginnings and ends of calls and runs agree. It names the first bad record and
what is wrong with it.

Keys are trusted because they are given, never because the ledger names them.

An intact ledger can hold runs that did not end (interrupted, or still under
way), calls without an outcome (unknown) and losses that it declares (gaps).

A ledger that was cut off at its end shows only against a head that was kept
elsewhere: the hash must then still be among those of
safeconduct inspect DIR --json.

Exit codes: 0 intact, 1 damaged, 2 not checked (wrong arguments, no such key,
not a ledger, another version). With --json the report goes to standard output,
with codes 0 and 1 only.`,
		Example: `  safeconduct verify ledger --key agent.key.pub
  safeconduct verify ledger --key old.pub --key new.pub --ledger prod --json`,
		DisableFlagsInUseLine: true,
		Args:                  one("DIR"),
		ValidArgsFunction:     completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			return verify(cmd.OutOrStdout(), args[0], keys, ledger, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "a `FILE` with a public key to trust; may be repeated")
	cmd.Flags().StringVar(&ledger, "ledger", "", "the `ORIGIN` that all records must have")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// completeDir has the shell complete one directory.
func completeDir(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func verify(w io.Writer, dir string, keys []string, ledger string, asJSON bool) error {
	if len(keys) == 0 {
		return usagef("no key to trust: give --key FILE, the .pub file that keygen wrote")
	}
	opts := evidence.VerifyOptions{Ledger: ledger}
	for _, path := range keys {
		key, err := loadKey(path)
		if err != nil {
			return err
		}
		opts.Keys = append(opts.Keys, key)
	}
	report, err := evidence.Verify(dir, opts)
	if err != nil {
		return fmt.Errorf("%w: %s", err, ledgerHint(err))
	}
	if asJSON {
		err = writeJSON(w, struct {
			Intact bool `json:"intact"`
			*evidence.Report
		}{report.Intact(), report}, "  ")
	} else {
		out := bufio.NewWriter(w)
		writeReport(out, dir, opts.Keys, report)
		err = out.Flush()
	}
	if err != nil {
		return err
	}
	if !report.Intact() {
		return errDamaged
	}
	return nil
}

func loadKey(path string) (ed25519.PublicKey, error) {
	if path == "" {
		return nil, usagef("--key is empty")
	}
	key, err := evidence.LoadPublicKey(path)
	if err == nil {
		return key, nil
	}
	if _, serr := os.Stat(path + ".pub"); serr == nil {
		return nil, fmt.Errorf("%w: did you mean %s.pub?", err, path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: run as a user who may read it", err)
	}
	return nil, fmt.Errorf("%w: give the .pub file that keygen wrote", err)
}
