package main

import (
	"example.com/safeconduct/evidence"
	"github.com/spf13/cobra"
)

func newCheckpoint() *cobra.Command {
	var key bool
	cmd := &cobra.Command{
		Use:   "checkpoint LEDGER",
		Short: "Print the newest checkpoint of a ledger, to be kept elsewhere",
		Long: `Checkpoint prints the newest signed checkpoint of the ledger as it is, a C2SP
tlog-checkpoint, if it matches the records that are there and a session of the
ledger signed it. Keep it where whoever holds the ledger cannot change it: with
verify --checkpoint it shows later whether the ledger was cut or rewritten.

With --vkey it prints the key of that session instead, as one line that tools
for signed notes and transparency logs take. Whether a root key introduced the
session is not checked: for that there is safeconduct verify.

Exit codes: 0 printed, 2 not.`,
		Example: `  safeconduct checkpoint ledger > /elsewhere/monday.checkpoint
  safeconduct checkpoint ledger --vkey`,
		Args:              wantArgs("LEDGER"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			cp, err := evidence.ReadCheckpoint(args[0])
			if err != nil {
				return withHint(err)
			}
			text := cp.Signed
			if key {
				text = []byte(cp.Key + "\n")
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&key, "vkey", false, "print the key that signed it, for other tools")
	return cmd
}
