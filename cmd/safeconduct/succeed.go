package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newSucceed() *cobra.Command {
	var key, reason, origin string
	cmd := &cobra.Command{
		Use:   "succeed OLD NEW --key FILE --reason TEXT",
		Short: "Begin a ledger in place of one that can no longer be written",
		Long: `Succeed begins the ledger NEW in place of the ledger OLD, whose key is lost, or
which is damaged. The first record of NEW says so: which ledger OLD is, how many
records were found of it and what their tree hashes to, and the reason, which
stays in NEW for ever, in the clear. OLD is only read: keep it, and its public
keys. It is verified as before, and so far as it is not damaged.

FILE holds the private root key of NEW, which may be that of OLD. End the agent
first, and let it open NEW with that key from then on. A policy has to name NEW
as it names OLD: by its origin, --ledger, which is random if none is given and
never that of OLD.

A ledger that is whole and whose key is there needs no successor: the agent goes
on with it, and rotate hands it over to another key.

Exit codes: 0 begun, 2 not.`,
		Example: `  safeconduct keygen new.key
  safeconduct succeed ledger ledger-2 --key new.key --reason "agent.key is lost"
  safeconduct succeed ledger ledger-2 --key new.key --reason "disk failure" \
    --ledger prod-2`,
		Args: wantArgs("OLD", "NEW"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" || len(reason) > maxReason || !utf8.ValidString(reason) {
				return usagef("--reason must be a text of 1 to %d bytes", maxReason)
			}
			if cmd.Flags().Changed("ledger") && origin == "" {
				return usagef("--ledger is empty")
			}
			if err := record.CheckOrigin(origin); err != nil {
				return usagef("--ledger %w", err)
			}
			return succeed(cmd, args[0], args[1], key, evidence.Config{Ledger: origin}, reason)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `FILE` with the private root key of NEW")
	cmd.Flags().StringVar(&reason, "reason", "", "why, a `TEXT` of at most 512 bytes")
	cmd.Flags().StringVar(&origin, "ledger", "", "the `ORIGIN` of NEW")
	return cmd
}

// succeed begins a ledger in the directory next, by a Config that lacks the key and the
// predecessor, which is in the directory old.
func succeed(cmd *cobra.Command, old, next, key string, cfg evidence.Config, reason string) error {
	root, err := loadPrivate("key", key)
	if err != nil {
		return err
	}
	defer clear(root)
	if err := isVacant(next, old); err != nil {
		return fmt.Errorf("%s: %w: give the name of a new directory as NEW", next, err)
	}
	if cfg.Predecessor, err = evidence.PredecessorOf(old, reason); err != nil {
		return withHint(err)
	}
	before := cfg.Predecessor
	if cfg.Ledger != "" && cfg.Ledger == before.Ledger {
		return usagef("--ledger %s is the origin of %s: two ledgers of one origin are a forgery to whoever verifies them", cfg.Ledger, old)
	}
	cfg.Key = root
	r, err := evidence.Open(next, cfg)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as a user who may write there", err)
	}
	if err != nil {
		return withHint(err)
	}
	origin := r.Ledger()
	if err := r.Close(cmd.Context()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), `old ledger   %s, %s
their tree   %s
new ledger   %s
new key      %s

Open %s with %s from now on, and keep %s: it is evidence.
Next: safeconduct verify %s --key %s.pub
`, escape(cmp.Or(before.Ledger, "of unknown origin")), count(before.Tree.Records, "record"), before.Tree.Root,
		escape(origin), record.KeyID(r.PublicKey()), escape(next), escape(key), escape(old), escape(next), escape(key))
	return err
}

// isVacant returns nil where a ledger can begin that succeeds the one in old: there is
// nothing, or an empty directory.
func isVacant(dir, old string) error {
	from, ferr := filepath.Abs(old)
	to, terr := filepath.Abs(dir)
	if err := errors.Join(ferr, terr); err != nil {
		return err
	}
	if rel, err := filepath.Rel(from, to); err == nil && rel != "." && filepath.IsLocal(rel) {
		return errors.New("is within " + old)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			return errors.New("there is no directory to make it in")
		}
		return nil
	case err != nil:
		return errors.New("is not a directory that can be read")
	case len(entries) > 0:
		return errors.New("is not empty")
	}
	return nil
}
