package main

import (
	"errors"
	"fmt"
	"io/fs"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"github.com/spf13/cobra"
)

func newProve() *cobra.Command {
	return &cobra.Command{
		Use:   "prove LEDGER RECORD-ID",
		Short: "Print a proof that a record is in a ledger",
		Long: `Prove prints a proof of one record: with it and the root key, and without the
ledger, anyone can check that the record is in it. It shows nothing else of the
ledger but the statements about its session keys. safeconduct verify-proof
checks it.

The proof is a text of some kilobytes, a C2SP tlog-proof. The ID of a record is
what inspect --json and tail show. Contents are not in it: see safeconduct
reveal.

Exit codes: 0 printed, 2 not (no such record, no checkpoint covers it yet, ...).`,
		Example: `  safeconduct prove ledger 019a2b3c-4d5e-7f60-8123-456789abcdef \
    > record.tlog-proof`,
		Args:              wantArgs("LEDGER", "RECORD-ID"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			proof, err := evidence.Prove(args[0], args[1])
			return printProof(cmd, args[0], proof, err)
		},
	}
}

func newReveal() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "reveal LEDGER RECORD-ID FIELD... --payload-key FILE",
		Short: "Print a proof of a record that reveals contents of it",
		Long: `Reveal prints a proof as safeconduct prove does, with contents of the record
that the ledger's payload store has kept: FIELD is input, ran or output. Whoever
gets the proof can read these contents, and no others.

Exit codes: 0 printed, 2 not (the content was erased or never kept, ...).`,
		Example: `  safeconduct reveal ledger 019a2b3c-4d5e-7f60-8123-456789abcdef input \
    --payload-key payload.key > record.tlog-proof`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) <= 3 {
				return wantArgs("LEDGER", "RECORD-ID", "FIELD")(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			if keyFile == "" {
				return usagef("no key to read contents with: give --payload-key FILE, which keygen --payload wrote")
			}
			for _, name := range args[2:] {
				switch name {
				case record.ContentInput, record.ContentRan, record.ContentOutput:
				default:
					return usagef("no field is called %q, only input, ran and output", name)
				}
			}
			key, err := trust.LoadPayloadKey(keyFile)
			if err != nil {
				return fmt.Errorf("%w: give the file that keygen --payload wrote", err)
			}
			defer clear(key)
			proof, err := evidence.Reveal(args[0], key, args[1], args[2:]...)
			return printProof(cmd, args[0], proof, err)
		},
	}
	cmd.Flags().StringVar(&keyFile, "payload-key", "", "the `FILE` with the key of the payload store")
	return cmd
}

// printProof prints a proof, or says what to do about the error.
func printProof(cmd *cobra.Command, dir string, proof []byte, err error) error {
	var erased *evidence.ErasedError
	switch {
	case err == nil:
		_, err = cmd.OutOrStdout().Write(proof)
		return err
	case errors.Is(err, evidence.ErrNoRecord):
		return fmt.Errorf("%w: safeconduct inspect %s --json shows the IDs", err, dir)
	case errors.Is(err, evidence.ErrNotCovered):
		return fmt.Errorf("%w: try again then", err)
	case errors.As(err, &erased):
		return fmt.Errorf("%w: safeconduct prove proves the rest", err)
	case errors.Is(err, fs.ErrNotExist) && cmd.Name() == "reveal" && isLedger(dir) == nil:
		return fmt.Errorf("%w: safeconduct prove proves the rest", err)
	}
	return withHint(err)
}
