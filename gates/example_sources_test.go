package gates_test

import (
	"context"
	"fmt"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// What a chain gets to read is what it may: the salaries are left out, and the trail
// says so.
func ExampleSources() {
	find := middlewaretest.Documents(
		middleware.Document{Text: "30 days of leave", Metadata: map[string]any{"source": "handbook/leave.md"}},
		middleware.Document{Text: "what we earn", Metadata: map[string]any{"source": "hr/salaries.md"}},
		middleware.Document{Text: "of unknown origin"},
	)
	trail := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			for _, d := range middleware.TrailOf(ctx).Decisions() {
				fmt.Println(d.Gate, d.Verdict, d.Reason)
			}
			return res, err
		}
	}
	allow := map[string][]gates.Condition{"source": {gates.Under("handbook", "https://docs.example.com")}}
	for _, drop := range []bool{true, false} {
		guarded := middleware.Wrap(find, trail, gates.Sources(gates.SourceRules{Allow: allow, Drop: drop}))
		res, err := guarded(context.Background(), middlewaretest.Retriever("leave"))
		fmt.Println(res.Output, err)
	}
	// Output:
	// sources transform 2 of 3 documents were dropped: "source" must be at or below one of "handbook", "https://docs.example.com"
	// [{30 days of leave map[source:handbook/leave.md] 0}] <nil>
	// sources deny document 2 of 3: "source" must be at or below one of "handbook", "https://docs.example.com"
	// <nil> retriever: denied by sources: document 2 of 3: "source" must be at or below one of "handbook", "https://docs.example.com" (policy)
}

func ExampleUnder() {
	found := middlewaretest.Documents(middleware.Document{Metadata: map[string]any{"source": "handbook/../hr/salaries.md"}})
	find := middleware.Wrap(found, gates.Sources(gates.SourceRules{
		Allow: map[string][]gates.Condition{"source": {gates.Quiet(gates.Under("handbook"))}},
	}))
	_, err := find(context.Background(), middlewaretest.Retriever("leave"))
	fmt.Println(err)
	// Output: retriever: denied by sources: document 1 of 1: "source" must be at or below a source that is listed (policy)
}
