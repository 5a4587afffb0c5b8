package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"github.com/spf13/cobra"
)

func newVerifyProof() *cobra.Command {
	var trust trustFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify-proof PROOF --key FILE",
		Short: "Check a proof of a record, and show what it proves",
		Long: `Verify-proof checks a file that safeconduct prove or reveal printed against root
keys, as verify checks a ledger, and shows the record that it proves and the
contents that it reveals. The ledger is not needed.

Exit codes: 0 proven, 1 not proven, 2 not checked (wrong arguments, no such key,
not a proof).`,
		Example: `  safeconduct verify-proof record.tlog-proof --key agent.key.pub --ledger prod
  safeconduct verify-proof record.tlog-proof --policy trust.json --json`,
		Args: wantArgs("PROOF"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := trust.options(cmd)
			if err != nil {
				return err
			}
			return verifyProof(cmd.OutOrStdout(), args[0], &trust, opts, asJSON)
		},
	}
	trust.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what is proven as JSON")
	return cmd
}

// A provenJSON is what verify-proof --json prints.
type provenJSON struct {
	Proven     bool                       `json:"proven"`
	Error      string                     `json:"error,omitzero"` // why it is not
	Index      uint64                     `json:"index"`
	Checkpoint record.TreeHead            `json:"checkpoint,omitzero"`
	Hash       *record.Hash               `json:"hash,omitzero"`
	Contents   map[string]json.RawMessage `json:"contents,omitempty"`
	Record     *record.Record             `json:"record,omitzero"`
}

func verifyProof(w io.Writer, path string, trust *trustFlags, opts evidence.VerifyOptions, asJSON bool) error {
	text, err := readFile(path, maxProof)
	if err != nil {
		return fmt.Errorf("proof %w: give a file that safeconduct prove or reveal printed", err)
	}
	proven, err := evidence.VerifyProof(text, opts)
	failed := errors.Is(err, evidence.ErrNotProven)
	switch {
	case errors.Is(err, evidence.ErrNotProof):
		why := strings.TrimPrefix(err.Error(), "evidence: proof: ")
		return fmt.Errorf("%s: %s: give a file that safeconduct prove or reveal printed", path, why)
	case err != nil && !failed:
		return trust.namingCheckpoint(err)
	}
	out := bufio.NewWriter(w)
	switch {
	case asJSON && failed:
		err = writeJSON(out, provenJSON{Error: err.Error()}, "  ")
	case asJSON:
		err = writeJSON(out, asProven(proven), "  ")
	case failed:
		reason := strings.TrimPrefix(err.Error(), "evidence: proof: it does not hold: ")
		printWrapped(out, "", "NOT PROVEN: "+escape(reason), reportWidth)
		fmt.Fprintln(out)
		fmt.Fprintln(out, "Do not rely on it. Was it given with the right --key and --ledger, and copied\nwhole?")
		err = nil
	default:
		writeProven(fields{out}, proven)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return orDamaged(err, failed)
}

func asProven(p *evidence.Proven) provenJSON {
	j := provenJSON{Proven: true, Index: p.Index, Checkpoint: p.Checkpoint, Hash: &p.Hash, Record: p.Record}
	for name, value := range p.Contents {
		if j.Contents == nil {
			j.Contents = make(map[string]json.RawMessage)
		}
		j.Contents[name] = value
	}
	return j
}

// writeProven writes what is proven for people.
func writeProven(w fields, p *evidence.Proven) {
	r := p.Record
	fmt.Fprintf(w, "proven: record %d of the ledger %s\n\n", p.Index+1, escape(r.Ledger))
	w.field("id", "%s", escape(r.ID))
	w.field("time", "%s", date(r.Time))
	w.field("kind", "%s", escape(string(r.Kind)))
	if says := summary(r); strings.TrimSpace(says) != "" {
		w.sentence("says", says)
	}
	if r.Run != "" {
		w.field("run", "%s", escape(r.Run))
	}
	if r.Who != nil {
		w.field("who", "%s", who(r.Who))
	}
	w.field("writer", "%s, seq %d", escape(r.Writer), r.Seq)
	w.field("hash", "%s", p.Hash)
	w.field("checkpoint", "covers %s, root %s", count(p.Checkpoint.Records, "record"), p.Checkpoint.Root)
	for _, name := range slices.Sorted(maps.Keys(p.Contents)) {
		fmt.Fprintf(w, "\n%s, as it was recorded:\n", escape(name))
		fmt.Fprintf(w, "  %s\n", escape(string(escapeJSON(p.Contents[name]))))
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "It says nothing of the records before and after: for those there is\nsafeconduct verify.")
}
