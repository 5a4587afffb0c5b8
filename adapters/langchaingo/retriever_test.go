package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/vectorstores"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// A shelf is a vector store, and a retriever, with a document for each source.
type shelf struct {
	docs  []schema.Document
	asked []string
	fail  error
	panic any
}

func newShelf(sources ...string) *shelf {
	s := &shelf{}
	for i, source := range sources {
		s.docs = append(s.docs, schema.Document{
			PageContent: "text of " + source, Metadata: map[string]any{"source": source, "page": i}, Score: 0.5 + float32(i)/8,
		})
	}
	return s
}

func (s *shelf) AddDocuments(context.Context, []schema.Document, ...vectorstores.Option) ([]string, error) {
	return nil, errors.New("the shelf is full")
}

func (s *shelf) SimilaritySearch(_ context.Context, query string, n int, _ ...vectorstores.Option) ([]schema.Document, error) {
	s.asked = append(s.asked, query)
	if s.panic != nil {
		panic(s.panic)
	}
	return s.docs[:min(n, len(s.docs))], s.fail
}

func (s *shelf) GetRelevantDocuments(ctx context.Context, query string) ([]schema.Document, error) {
	return s.SimilaritySearch(ctx, query, len(s.docs))
}

func sourcesOf(docs []schema.Document) string {
	var all []string
	for _, d := range docs {
		all = append(all, fmt.Sprint(d.Metadata["source"]))
	}
	return strings.Join(all, " ")
}

// only is a gate that drops, or denies, what is not of these sources.
func only(drop bool, sources ...string) middleware.Interceptor {
	return gates.Sources(gates.SourceRules{Allow: map[string][]gates.Condition{"source": {gates.Under(sources...)}}, Drop: drop})
}

// A retriever and a vector store: what is in the handbook is found, all else is dropped.
func ExampleRetriever() {
	store := newShelf("handbook/leave.md", "hr/salaries.md")
	r := langchaingo.Retriever(vectorstores.ToRetriever(store, 2), gates.Sources(gates.SourceRules{
		Allow: map[string][]gates.Condition{"source": {gates.Under("handbook")}},
		Drop:  true,
	}))
	docs, err := r.GetRelevantDocuments(context.Background(), "How much leave do I have?")
	for _, d := range docs {
		fmt.Println(d.PageContent, d.Metadata["source"])
	}
	fmt.Println(err)
	fmt.Print(r)
	// Output:
	// text of handbook/leave.md handbook/leave.md
	// <nil>
	// retriever vectorstores.Retriever, guarded by
	//  1 sources
}

// TestRetriever checks what becomes of a query and of what is found.
func TestRetriever(t *testing.T) {
	query := func(to any) middleware.Interceptor {
		return middleware.Transform("query", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
			c.Input = to
			return c, true, nil
		})
	}
	output := func(to any) middleware.Interceptor {
		return middleware.TransformResult("docs", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			res.Output = to
			return res, true, nil
		})
	}
	for _, tt := range []struct {
		name  string
		make  func(s *shelf)
		is    []middleware.Interceptor
		asked string // by the retriever; "q" where it is not said
		want  string // the sources
		err   string
	}{
		{name: "nothing changed", is: []middleware.Interceptor{pass}, want: "a b"},
		{name: "nothing found", make: func(s *shelf) { s.docs = nil }, is: []middleware.Interceptor{only(false)}},
		{name: "another query", is: []middleware.Interceptor{query("other")}, asked: "other", want: "a b"},
		{name: "a query that is no text", is: []middleware.Interceptor{query(1)}, asked: "-", err: "put a int in place of the input, want string"},
		{name: "one dropped", is: []middleware.Interceptor{only(true, "b")}, want: "b"},
		{name: "all dropped", is: []middleware.Interceptor{only(true)}},
		{name: "other documents", is: []middleware.Interceptor{output([]middleware.Document{{Metadata: map[string]any{"source": "c"}}})}, want: "c"},
		{name: "denied for one", is: []middleware.Interceptor{only(false, "b")}, err: "shelf: denied by sources: document 1 of 2"},
		{name: "denied before", is: []middleware.Interceptor{denyIf(func(middleware.Call) bool { return true })}, asked: "-", err: "denied by test"},
		{name: "no documents", is: []middleware.Interceptor{output("a b")}, err: "put a string in place of the output"},
		{name: "documents of the framework", is: []middleware.Interceptor{output([]schema.Document{})}, err: "put a []schema.Document in place of the output"},
		{name: "failing", make: func(s *shelf) { s.fail = errors.New("no store") }, is: []middleware.Interceptor{only(true, "b")}, err: "no store"},
		{name: "panicking", make: func(s *shelf) { s.panic = "no store" }, is: []middleware.Interceptor{only(true, "b")}, err: "shelf panicked"},
	} {
		s := newShelf("a", "b")
		if tt.make != nil {
			tt.make(s)
		}
		docs, err := langchaingo.Retriever(s, tt.is...).GetRelevantDocuments(t.Context(), "q")
		asked := map[string]string{"": "q", "-": ""}
		want, said := asked[tt.asked]
		if !said {
			want = tt.asked
		}
		if got := strings.Join(s.asked, " "); got != want {
			t.Errorf("%s: the retriever was asked %q, want %q", tt.name, got, want)
		}
		if got := sourcesOf(docs); got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
		if tt.err == "" && docs == nil {
			t.Errorf("%s: got nil, want a list", tt.name)
		}
		if tt.name == "nothing changed" && !reflect.DeepEqual(docs, s.docs) {
			t.Errorf("got %+v, want %+v: text, metadata and score", docs, s.docs)
		}
	}
}

// TestDocumentsAreWhatWasJudged: whoever keeps what it returned or passed on can change
// neither what gates judged nor what the store holds.
func TestDocumentsAreWhatWasJudged(t *testing.T) {
	s := newShelf("a")
	meddle := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			docs := res.Output.([]middleware.Document)
			s.docs[0].Metadata["source"], s.docs[0].PageContent = "hr", "secret" // the store, after the gate
			if docs[0].Metadata["source"] != "a" || docs[0].Text != "text of a" {
				t.Errorf("got %+v, want what was judged", docs[0])
			}
			return res, err
		}
	}
	r := langchaingo.Retriever(s, meddle, only(false, "a"))
	docs, err := r.GetRelevantDocuments(t.Context(), "q")
	if err != nil || sourcesOf(docs) != "a" {
		t.Fatalf("got %v, %v", docs, err)
	}
	docs[0].Metadata["source"], docs[0].PageContent = "mine", "mine"
	if s.docs[0].Metadata["source"] != "hr" || s.docs[0].PageContent != "secret" {
		t.Errorf("the store has %+v: a caller changed it", s.docs[0])
	}
}

// TestRetrieverTwice: guarded again, it has one guard with each interceptor once.
func TestRetrieverTwice(t *testing.T) {
	s, seen := newShelf("a", "b"), new(spy)
	gate := only(true, "b")
	r := langchaingo.Retriever(langchaingo.Retriever(s, seen.intercept, gate), seen.intercept, gate)
	if docs, err := r.GetRelevantDocuments(t.Context(), "q"); sourcesOf(docs) != "b" || err != nil || seen.kinds() != "retriever" {
		t.Errorf("got %v, %v, calls %q", docs, err, seen.kinds())
	}
	if u, ok := r.(interface{ Unwrap() schema.Retriever }); !ok || u.Unwrap() != schema.Retriever(s) {
		t.Error("it does not unwrap to the retriever")
	}
	chain := langchaingo.Chain(chains.NewRetrievalQAFromLLM(says("yes"), r), seen.intercept, gate)
	if got, err := chains.Run(t.Context(), chain, "q"); got != "yes" || err != nil || seen.kinds() != "retriever retriever model chain" {
		t.Errorf("in a chain: got %q, %v, calls %q", got, err, seen.kinds())
	}
	for says, f := range map[string]func(){
		"langchaingo: Retriever: nil retriever":                            func() { langchaingo.Retriever(nil) },
		"langchaingo: Retriever(langchaingo_test.shelf): the gate tools":   func() { langchaingo.Retriever(s, gates.Tools("a")) },
		"langchaingo: Model(langchaingo_test.script): the gate sources is": func() { langchaingo.Model(says("a"), gate) },
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.Contains(v, says) {
					t.Errorf("got panic %q, want %q", v, says)
				}
			}()
			f()
		}()
	}
}

// TestRetrievalChains: by Chain alone the retrieval of a chain is recorded, dropped and
// denied, and the model reads what is left.
func TestRetrievalChains(t *testing.T) {
	for name, build := range map[string]func(m *script, r schema.Retriever) chains.Chain{
		"retrieval": func(m *script, r schema.Retriever) chains.Chain { return chains.NewRetrievalQAFromLLM(m, r) },
		"conversation": func(m *script, r schema.Retriever) chains.Chain {
			return chains.NewConversationalRetrievalQAFromLLM(m, r, memory.NewConversationBuffer(memory.WithReturnMessages(true)))
		},
	} {
		for _, drop := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, dropped %t", name, drop), func(t *testing.T) {
				m, b := says("30 days"), newBook(t)
				store := newShelf("handbook/leave.md", "hr/salaries.md")
				chain := langchaingo.Chain(build(m, vectorstores.ToRetriever(store, 2)), b.Intercept, only(drop, "handbook"))
				answer, err := chains.Run(t.Context(), chain, "leave")
				if d := (*middleware.DeniedError)(nil); drop && (answer != "30 days" || err != nil) || !drop && (!errors.As(err, &d) || d.Gate != "sources") {
					t.Errorf("got %q, %v", answer, err)
				}
				if !drop && m.requests() != 0 {
					t.Error("the model was asked")
				}
				if drop {
					prompt := fmt.Sprint(m.asked[0])
					if !strings.Contains(prompt, "text of handbook/leave.md") || strings.Contains(prompt, "salaries") {
						t.Errorf("the model read %s", prompt)
					}
				}
				runs, report := b.runs(t)
				if len(runs) != 1 || !strings.Contains(runs[0], "retriever vectorstores.Retriever") || drop != (report.Denied == 0) {
					t.Errorf("got records %q, report %+v", runs, report)
				}
			})
		}
	}
}

// TestRetrievalIsRecorded: the record commits to the query and to the documents that were
// passed on, and the payload store keeps both.
func TestRetrievalIsRecorded(t *testing.T) {
	dir, key := t.TempDir(), make([]byte, 32)
	var mu sync.Mutex
	var disclosed []record.Disclosure
	r, err := evidence.Open(dir, evidence.Config{
		Payloads: &evidence.Payloads{Key: func() []byte { return key }},
		Disclose: func(d record.Disclosure) {
			mu.Lock()
			defer mu.Unlock()
			disclosed = append(disclosed, d)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	find := langchaingo.Retriever(newShelf("handbook/leave.md", "hr/salaries.md"), r.Intercept, only(true, "handbook"))
	if _, err := find.GetRelevantDocuments(t.Context(), "leave"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	opened := make(map[string]string)
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range e.Record.Decisions {
			opened["decision"] = d.Gate + ": " + d.Reason
		}
		for _, name := range []string{record.ContentInput, record.ContentOutput} {
			if e.Record.Content(name) == nil || e.Record.Call == nil {
				continue
			}
			for _, d := range disclosed {
				if got, v, err := d.OpenIn(e.Record); err == nil && got == name {
					opened[name] = string(v)
				}
			}
			if _, err := evidence.Reveal(dir, key, e.Record.ID, name); err != nil {
				t.Errorf("the payload store does not have the %s: %v", name, err)
			}
		}
	}
	want := map[string]string{
		"decision":           `sources: 1 of 2 documents was dropped: "source" must be at or below "handbook"`,
		record.ContentInput:  `"leave"`,
		record.ContentOutput: `[{"Text":"text of handbook/leave.md","Metadata":{"page":0,"source":"handbook/leave.md"},"Score":0.5}]`,
	}
	if !maps.Equal(opened, want) {
		t.Errorf("got %q, want %q", opened, want)
	}
}

// An ownRetrieval is a chain of one's own that retrieves.
type ownRetrieval struct {
	ownChain
	store any
}

// TestARetrieverThatIsMissedIsRefused: of several retrievers in a chain, one that cannot
// be reached would return what no gate allowed.
func TestARetrieverThatIsMissedIsRefused(t *testing.T) {
	gate := only(true, "a")
	both := func(store any) chains.Chain {
		c, err := chains.NewSimpleSequentialChain([]chains.Chain{
			chains.NewRetrievalQAFromLLM(says("a"), newShelf("a")), &ownRetrieval{ownChain{langchaingo.Model(says("b"), pass)}, store},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	guarded := langchaingo.Retriever(newShelf("a"), gate)
	const missed = "langchaingo: Chain(SimpleSequentialChain): the gate sources is for retriever calls, and cannot reach the retriever "
	for _, tt := range []struct {
		name  string
		store any
		is    middleware.Interceptor
		want  string
	}{
		{"guarded", guarded, gate, "<nil>"},
		{"none", nil, gate, "<nil>"},
		{"no gate for retrievals", newShelf("a"), gates.Size(gates.SizeRules{}), "<nil>"},
		{"not guarded", newShelf("a"), gate, missed + "langchaingo_test.shelf: guard it where"},
		{"with a name", langchaingo.NamedRetriever("n", newShelf("a")), gate, missed + "langchaingo_test.shelf"},
		{"of a store", vectorstores.ToRetriever(newShelf("a"), 1), gate, missed + "vectorstores.Retriever"},
		{"one of two", []schema.Retriever{newShelf("a"), guarded}, gate, missed},
		{"the other of two", []schema.Retriever{guarded, newShelf("a")}, gate, missed},
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.HasPrefix(v, tt.want) {
					t.Errorf("%s: got panic %s, want %s", tt.name, v, tt.want)
				}
			}()
			langchaingo.Chain(both(tt.store), tt.is)
		}()
	}
	own := &ownRetrieval{ownChain{langchaingo.Model(says("b"), pass)}, guarded}
	langchaingo.Chain(own, gate) // it is around the retriever already
}
