package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newErase() *cobra.Command {
	var key, reason, authority string
	cmd := &cobra.Command{
		Use:   "erase LEDGER COMMITMENT --key FILE --reason TEXT --authority TEXT",
		Short: "Erase a content that a ledger commits to, for good",
		Long: `Erase removes a content from the payload store of the ledger and adds a record
that says so, with the reason and who asked for it. The ledger verifies as
before. COMMITMENT is what stands in the record of the content: see inspect
--json. Reason and authority stand in the ledger for ever, in the clear.

It writes the ledger, with the private root key, and so nobody else may at the
time. What was kept elsewhere, in backups say, is not touched.

An agent that died may have left records in an overflow on another disk, if it
has one (evidence.Config.Overflow): let it open the ledger first, or they stay
out of it.

Exit codes: 0 erased, 2 not.`,
		Example: `  safeconduct erase ledger m2KDBsVd0VYRQzPWYq1M5rDrm3zwF6YO9kR7hT4aXbE \
    --key agent.key --reason "GDPR Art. 17, ticket 4711" --authority "the DPO"`,
		DisableFlagsInUseLine: true,
		Args:                  these("LEDGER", "COMMITMENT"),
		ValidArgsFunction:     completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			for flag, text := range map[string]string{"reason": reason, "authority": authority} {
				if text == "" || len(text) > maxReason || !utf8.ValidString(text) {
					return usagef("--%s must be a text of 1 to %d bytes", flag, maxReason)
				}
			}
			root, err := loadPrivate("key", key)
			if err != nil {
				return err
			}
			defer clear(root)
			record, err := committing(args[0], args[1])
			if err != nil {
				return err
			}
			err = writing(cmd.Context(), args[0], root, func(r *evidence.Recorder) error {
				return r.Erase(cmd.Context(), args[1], reason, authority)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `erased      %s
of record   %s

The ledger says so, and verifies as before: safeconduct verify %s --key %s.pub
`, escape(args[1]), escape(record), escape(args[0]), escape(key))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `FILE` with the private root key")
	cmd.Flags().StringVar(&reason, "reason", "", "why, a `TEXT` of at most 512 bytes")
	cmd.Flags().StringVar(&authority, "authority", "", "who asked for it, a `TEXT` of at most 512 bytes")
	return cmd
}

const maxReason = 512 // bytes, as Recorder.Erase takes them

// committing returns the ID of the record that holds a commitment.
func committing(dir, commitment string) (id string, err error) {
	for e, err := range evidence.Read(dir) {
		if err != nil {
			return "", hinted(err)
		}
		for _, c := range []*record.Content{e.Record.Input, e.Record.Ran, e.Record.Output} {
			if c != nil && c.Commitment == commitment {
				return e.Record.ID, nil
			}
		}
	}
	return "", fmt.Errorf("no record of the ledger %s holds the commitment %s: safeconduct inspect %s --json shows them all",
		dir, commitment, dir)
}

func newRotate() *cobra.Command {
	var key, to string
	cmd := &cobra.Command{
		Use:   "rotate LEDGER --key OLD --to NEW",
		Short: "Hand a ledger over to another root key",
		Long: `Rotate adds a record to the ledger, signed by the private root keys in both
files, that hands it over from the first to the second. From then on agents open
it with the new key, and whoever verifies it must trust both.

It writes the ledger, and so nobody else may at the time. Keep the public half
of the old key for as long as the ledger is to be verified.

An agent that died may have left records in an overflow on another disk, if it
has one (evidence.Config.Overflow): let it open the ledger first, or they stay
out of it.

Exit codes: 0 handed over, 2 not.`,
		Example: `  safeconduct keygen new.key
  safeconduct rotate ledger --key agent.key --to new.key`,
		DisableFlagsInUseLine: true,
		Args:                  one("LEDGER"),
		ValidArgsFunction:     completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := loadPrivate("key", key)
			if err != nil {
				return err
			}
			defer clear(old)
			next, err := loadPrivate("to", to)
			if err != nil {
				return err
			}
			defer clear(next)
			if old.Equal(next) {
				return usagef("--key and --to are the same key")
			}
			err = writing(cmd.Context(), args[0], old, func(r *evidence.Recorder) error {
				return r.Rotate(cmd.Context(), next)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `old key  %s
new key  %s

Open the ledger with %s from now on, and trust both:
safeconduct verify %s --key %s.pub --key %s.pub
`, keyID(old), keyID(next), escape(to), escape(args[0]), escape(key), escape(to))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `FILE` with the private root key that is in force")
	cmd.Flags().StringVar(&to, "to", "", "the `FILE` with the private root key that follows")
	return cmd
}

func keyID(key ed25519.PrivateKey) string { return record.KeyID(key.Public().(ed25519.PublicKey)) }

// writing opens a ledger that is there, as its writer, for one statement.
func writing(ctx context.Context, dir string, root ed25519.PrivateKey, do func(r *evidence.Recorder) error) error {
	if err := isLedger(dir); err != nil { // Open would begin one
		return hinted(err)
	}
	r, err := evidence.Open(dir, evidence.Config{Key: root})
	switch {
	case errors.Is(err, evidence.ErrLocked):
		return fmt.Errorf("%w: stop that process first, or have it do this itself, see evidence.Recorder", err)
	case errors.Is(err, evidence.ErrDamaged):
		return fmt.Errorf("%w: is --key the root key in force? safeconduct verify says more", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as a user who may write to it", err)
	case err != nil:
		return hinted(err)
	}
	return errors.Join(do(r), r.Close(ctx))
}
