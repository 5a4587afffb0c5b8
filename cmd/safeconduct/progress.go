package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"example.com/safeconduct/evidence"
)

// patience is how long a ledger may take before its progress shows.
const patience = 500 * time.Millisecond

// A progress is a line on a terminal that is rewritten as the work goes on.
type progress struct {
	out   io.Writer // nil for nobody
	after time.Time
	shown bool
}

// newProgress returns a line on out if that is a terminal, where it shows only
// what takes long, or if it is asked for.
func newProgress(out io.Writer, asked bool) *progress {
	switch f, ok := out.(*os.File); {
	case asked:
		return &progress{out: out}
	case ok && isTerminal(f):
		return &progress{out: out, after: time.Now().Add(patience)}
	}
	return &progress{}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(at evidence.Progress) {
	if p.out == nil || time.Now().Before(p.after) {
		return
	}
	p.shown = true
	percent := int64(100)
	if at.Total > 0 {
		percent = 100 * at.Bytes / at.Total
	}
	fmt.Fprintf(p.out, "\r%3d %%  %s of %s, %s ", percent, size(at.Bytes), size(at.Total), count(at.Records, "record"))
}

// clear removes the line.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprintf(p.out, "\r%60s\r", "")
	}
}
