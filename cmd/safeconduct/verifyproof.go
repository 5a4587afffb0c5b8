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
		DisableFlagsInUseLine: true,
		Args:                  one("PROOF"),
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
		return trust.named(err)
	}
	out := bufio.NewWriter(w)
	switch {
	case asJSON && failed:
		err = writeJSON(out, provenJSON{Error: err.Error()}, "  ")
	case asJSON:
		err = writeJSON(out, asProven(proven), "  ")
	case failed:
		reason := strings.TrimPrefix(err.Error(), "evidence: proof: it does not hold: ")
		for i, line := range wrap("NOT PROVEN: "+escape(reason), reportWidth) {
			fmt.Fprintln(out, strings.Repeat("  ", min(i, 1))+line)
		}
		fmt.Fprintln(out)
		fmt.Fprintln(out, "Do not rely on it. Was it given with the right --key and --ledger, and copied whole?")
		err = nil
	default:
		writeProven(rows{out}, proven)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	if err == nil && failed {
		err = errDamaged
	}
	return err
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
func writeProven(w rows, p *evidence.Proven) {
	r := p.Record
	fmt.Fprintf(w, "proven: record %d of the ledger %s\n\n", p.Index+1, escape(r.Ledger))
	w.row("id", "%s", escape(r.ID))
	w.row("time", "%s", date(r.Time))
	w.row("kind", "%s", escape(string(r.Kind)))
	for i, line := range wrap(summary(r), reportWidth-12) {
		if line != "" {
			w.row([]string{"says", ""}[min(i, 1)], "%s", line)
		}
	}
	if r.Run != "" {
		w.row("run", "%s", escape(r.Run))
	}
	if r.Who != nil {
		w.row("who", "%s", who(r.Who))
	}
	w.row("writer", "%s, seq %d", escape(r.Writer), r.Seq)
	w.row("hash", "%s", p.Hash)
	w.row("checkpoint", "covers %s, root %s", count(p.Checkpoint.Records, "record"), p.Checkpoint.Root)
	for _, name := range slices.Sorted(maps.Keys(p.Contents)) {
		fmt.Fprintf(w, "\n%s, as it was recorded:\n", escape(name))
		fmt.Fprintf(w, "  %s\n", escape(string(escapeJSON(p.Contents[name]))))
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "It says nothing of the records before and after: safeconduct verify checks those.")
}

// summary says in a line what a record says, escaped.
func summary(r *record.Record) string {
	var s []string
	add := func(format string, args ...any) { s = append(s, escape(fmt.Sprintf(format, args...))) }
	if c := r.Call; c != nil {
		add("%s %s", c.Kind, c.Name)
	}
	switch o := r.Outcome; {
	case o == nil:
	case o.Result == record.ResultDenied:
		s = append(s, "denied"+by(denial{o.Gate, o.Code, o.Reason}, ""))
	case len(o.Error) > 0:
		add("%s, %s", o.Result, strings.Join(o.Error, ", "))
	default:
		add("%s", o.Result)
	}
	if g := r.Gap; g != nil {
		add("%s lost: %s", count(g.Count, "record"), g.Reason)
	}
	if e := r.Erased; e != nil {
		add("%s, by authority of %s: %s", e.Commitment, e.Authority, e.Reason)
	}
	if e := r.RunEnd; e != nil {
		add("%s", count(e.Calls, "call"))
	}
	if k := r.Session; k != nil {
		add("key %.16s until %s", k.Key, date(k.NotAfter))
	}
	if k := r.Rotate; k != nil {
		add("to root key %s", k.Key)
	}
	if r.Kind == record.KindStart && r.Who != nil {
		s = append(s, who(r.Who))
	}
	return strings.Join(s, ": ")
}
