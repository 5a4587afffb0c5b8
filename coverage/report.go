package coverage

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"example.com/safeconduct/middleware"
)

// A Report says what was found, in the order in which it was found. It is safe for
// concurrent use as long as nobody changes it.
type Report struct {
	Items []Item `json:"items"`
}

// An Item is one model, tool, retriever, memory, database or requester, or something
// that cannot be looked into.
type Item struct {
	Path string `json:"path"` // where it stands, such as Executor.Agent.Chain.LLM
	What string `json:"what"` // "model", "tool", "retriever", "memory", "database", "requester" or "opaque"
	Name string `json:"name"` // that its calls have, or else its type

	// Guarded says that interceptors stand around it. Gates are those of them that
	// are for its kind of calls and deny, Shadows those that only say so; Recorded says
	// that a recorder is among them.
	Guarded  bool     `json:"guarded"`
	Gates    []string `json:"gates,omitempty"`
	Shadows  []string `json:"shadows,omitempty"`
	Recorded bool     `json:"recorded,omitempty"`
}

// What an Item can be.
const (
	Model     = "model"
	Tool      = "tool"
	Retriever = "retriever"
	Memory    = "memory"
	Database  = "database"
	Requester = "requester"
	Opaque    = "opaque"
)

// Counts returns how many items are guarded, how many are not, and how many cannot be
// looked into.
func (r Report) Counts() (guarded, unguarded, opaque int) {
	for _, i := range r.Items {
		switch {
		case i.What == Opaque:
			opaque++
		case i.Guarded:
			guarded++
		default:
			unguarded++
		}
	}
	return guarded, unguarded, opaque
}

// Digest returns the SHA-256 of the report's JSON: two agents that are built alike have
// the same.
func (r Report) Digest() [sha256.Size]byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("coverage: %v", err)) // of strings and bools
	}
	return sha256.Sum256(text)
}

// Context returns a context under which each run that starts says in the ledger, by the
// digest and the counts of the report, how much of its agent was guarded.
func (r Report) Context(ctx context.Context) context.Context {
	guarded, unguarded, opaque := r.Counts()
	return middleware.WithCoverage(ctx, middleware.Coverage{
		Digest: r.Digest(), Guarded: guarded, Unguarded: unguarded, Opaque: opaque,
	})
}

// String returns the report for people: an item in two lines of at most 80 columns, as
// far as its names allow, and the counts.
func (r Report) String() string {
	var b strings.Builder
	for _, i := range r.Items {
		fmt.Fprintf(&b, "%-9s %s (%s)\n%-9s %s\n", i.What, i.Path, i.Name, "", i.state())
	}
	guarded, unguarded, opaque := r.Counts()
	fmt.Fprintf(&b, "%d guarded, %d not guarded, %d opaque\n", guarded, unguarded, opaque)
	return b.String()
}

// state says what stands around an item.
func (i Item) state() string {
	if i.What == Opaque {
		return "cannot be looked into"
	}
	if !i.Guarded {
		return "NOT GUARDED"
	}
	var all []string
	if len(i.Gates) > 0 {
		all = append(all, "guarded by "+strings.Join(i.Gates, ", "))
	} else {
		all = append(all, "no gate is for it")
	}
	if len(i.Shadows) > 0 {
		all = append(all, "in shadow "+strings.Join(i.Shadows, ", "))
	}
	if i.Recorded {
		all = append(all, "recorded")
	}
	return strings.Join(all, "; ")
}

// A TB is what Require needs of a testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Require fails the test for each item of what was built that is not guarded or cannot
// be looked into, but for those whose Path begins with one of these: say in the test
// why. One that nothing begins with fails it too.
func Require(tb TB, v any, except ...string) {
	tb.Helper()
	used := make(map[string]bool)
	for _, i := range Walk(v).Items {
		excepted := false
		for _, path := range except {
			if strings.HasPrefix(i.Path, path) && path != "" {
				excepted, used[path] = true, true
			}
		}
		if !i.Guarded && !excepted {
			tb.Errorf("coverage: %s %s (%s): %s", i.What, i.Path, i.Name, i.state())
		}
	}
	for _, path := range except {
		if !used[path] {
			tb.Errorf("coverage: nothing begins with the path %q", path)
		}
	}
}
