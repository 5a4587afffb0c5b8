package main

import (
	"crypto/ed25519"
	"fmt"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newRotate() *cobra.Command {
	var key, to string
	cmd := &cobra.Command{
		Use:   "rotate LEDGER --key OLD --to NEW",
		Short: "Hand a ledger over to another root key",
		Long: `Rotate adds a record to the ledger, signed by the private root keys in both
files, that hands it over from the first to the second. From then on agents open
it with the new key, and whoever verifies it must trust both.

It writes to the ledger, so nothing else may write to it at the time. Keep the
public half of the old key for as long as the ledger is to be verified.

An agent that died may have left records in an overflow on another disk, if it
has one (evidence.Config.Overflow): let it open the ledger first, or they stay
out of it.

Exit codes: 0 handed over, 2 not.`,
		Example: `  safeconduct keygen new.key
  safeconduct rotate ledger --key agent.key --to new.key`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
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
			err = withRecorder(cmd.Context(), args[0], old, func(r *evidence.Recorder) error {
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
