package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newErase() *cobra.Command {
	var key, reason, authority string
	cmd := &cobra.Command{
		Use:   "erase LEDGER COMMITMENT --key FILE --reason TEXT --authority TEXT",
		Short: "Erase content that a ledger commits to, for good",
		Long: `Erase removes content from the payload store of the ledger and adds a record
that says so, with the reason and who asked for it. The ledger verifies as
before. COMMITMENT is the commitment to the content in the record of its call:
inspect --json shows it. Reason and authority stay in the ledger for ever, in
the clear.

It writes to the ledger, with the private root key, so nothing else may write to
it at the time. Copies kept elsewhere, such as backups, are not touched.

An agent that died may have left records in an overflow on another disk, if it
has one (evidence.Config.Overflow): let it open the ledger first, or they stay
out of it.

Exit codes: 0 erased, 2 not.`,
		Example: `  safeconduct erase ledger m2KDBsVd0VYRQzPWYq1M5rDrm3zwF6YO9kR7hT4aXbE \
    --key agent.key --reason "GDPR Art. 17, ticket 4711" --authority "the DPO"`,
		Args:              wantArgs("LEDGER", "COMMITMENT"),
		ValidArgsFunction: completeDir,
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
			record, err := recordCommittingTo(args[0], args[1])
			if err != nil {
				return err
			}
			err = withRecorder(cmd.Context(), args[0], root, func(r *evidence.Recorder) error {
				return r.Erase(cmd.Context(), args[1], reason, authority)
			})
			if err != nil {
				return err
			}
			with, err := verifyWith(args[0], key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `erased      %s
of record   %s

The ledger says so, and verifies as before:
safeconduct verify %s%s
`, escape(args[1]), escape(record), escape(args[0]), with)
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `FILE` with the private root key")
	cmd.Flags().StringVar(&reason, "reason", "", "why, a `TEXT` of at most 512 bytes")
	cmd.Flags().StringVar(&authority, "authority", "", "who asked for it, a `TEXT` of at most 512 bytes")
	return cmd
}

const maxReason = 512 // bytes, as Recorder.Erase takes them

// recordCommittingTo returns the ID of the record that holds a commitment.
func recordCommittingTo(dir, commitment string) (id string, err error) {
	for e, err := range evidence.Read(dir) {
		if err != nil {
			return "", withHint(err)
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

// verifyWith returns the flags that verify a ledger whose root key in force is in the file
// key. Of the keys before it, where it was handed over, the files are not known.
func verifyWith(dir, key string) (flags string, err error) {
	before := 0
	for e, err := range evidence.Read(dir) {
		if err != nil {
			return "", withHint(err)
		}
		if e.Record.Kind == record.KindRotate {
			before++
		}
	}
	var s strings.Builder
	for i := range before {
		fmt.Fprintf(&s, " --key KEY-%d.pub", i+1)
	}
	fmt.Fprintf(&s, " --key %s.pub", escape(key))
	switch {
	case before == 1:
		s.WriteString("\n\nKEY-1.pub is the public half of the root key before that.")
	case before > 1:
		fmt.Fprintf(&s, "\n\nKEY-1.pub to KEY-%d.pub are the public halves of the root keys before that.", before)
	}
	return s.String(), nil
}
