package evidence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
	"pgregory.net/rapid"
)

// contentsOf makes one call with an input and an output and returns the records of
// its intent and outcome, with what opens their contents.
func contentsOf(t testing.TB, c middleware.Call, output any) (intent, outcome *record.Record, opens map[string]record.Disclosure) {
	t.Helper()
	dir := ledgertest.Dir(t)
	opens = make(map[string]record.Disclosure)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Disclose: func(d record.Disclosure) { opens[d.Commitment()] = d }})
	if _, err := call(t, r, c, say(output)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	all := ledgertest.Entries(t, dir)
	return all[2].Record, all[3].Record, opens
}

// opened returns the value that is committed to.
func opened(t testing.TB, c *record.Content, opens map[string]record.Disclosure) string {
	t.Helper()
	_, value, err := opens[c.Commitment].Open()
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// To record a content costs no more than twice its size in memory, what opens it
// included, and next to nothing where nothing keeps it.
func TestALargeContentCostsLittleMemory(t *testing.T) {
	const size = 10 << 20
	plain := strings.Repeat("x", size)
	lines := strings.Repeat("The answer is 42. Is it?\n", size/25)
	for name, output := range map[string]any{
		"text": plain, "lines": lines, "binary": strings.Repeat("\xff", size*3/4),
		"chain": map[string]any{"output": plain},
		"model": &middleware.ModelResponse{Choices: []middleware.Choice{{Text: lines}}},
		"plan":  &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "x", Input: plain}}},
		"calls": &middleware.ModelResponse{Choices: []middleware.Choice{{ToolCalls: []middleware.ToolCall{{Name: "x", Input: plain}}}}},
		"other": map[string]any{"output": strings.Split(lines, "?")},
	} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept: %v", name, kept), func(t *testing.T) {
				var cfg evidence.Config
				got := ""
				if kept {
					cfg.Disclose = func(d record.Disclosure) { got = d.Encoded }
				}
				r := open(t, ledgertest.Dir(t), cfg)
				spent := allocated(func() {
					if _, err := call(t, r, middleware.Call{Kind: middleware.KindChain, Name: "c"}, say(output)); err != nil {
						t.Error(err)
					}
					if err := r.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				})
				limit := 2.0
				if kept && name == "other" { // it is encoded at once, as its owner may change it, and again
					limit = 3
				}
				if got := float64(spent) / size; got > limit+0.2 {
					t.Errorf("%.1f times its size was allocated, want %.0f at most", got, limit)
				}
				if !kept && name != "other" && spent > 4<<20 {
					t.Errorf("%d KiB were allocated, want next to nothing", spent>>10)
				}
				if kept && len(got) < size*4/3 {
					t.Errorf("got a disclosure of %d bytes", len(got))
				}
			})
		}
	}
}

// Each content has one form, which FORMAT.md describes.
func TestTheFormOfEachContent(t *testing.T) {
	calls := []middleware.ToolCall{{ID: "c1", Name: "calc", Input: "1"}, {Name: "sh", Input: "2"}}
	for want, c := range map[string]any{
		`"x"`:                       "x",
		`{"messages":[],"stop":[]}`: &middleware.ModelRequest{},
		`{"messages":[{"parts":["a",{"size":7}],"role":"human"},{"parts":[],"role":"ai"}],"stop":["x","y"]}`: &middleware.ModelRequest{
			Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: "a"}, {Size: 7}}}, {Role: "ai"}}, Stop: []string{"x", "y"},
		},
		`{"choices":[]}`: &middleware.ModelResponse{},
		`{"choices":[{"reasoning":"b","text":"a","toolCalls":[{"input":"1","name":"calc"},{"input":"2","name":"sh"}]},{"reasoning":"","text":"","toolCalls":[]}]}`: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "a", Reasoning: "b", ToolCalls: calls}, {}}},
		`{"final":null,"toolCalls":[{"input":"1","name":"calc"},{"input":"2","name":"sh"}]}`:                                                                       &middleware.Plan{ToolCalls: calls},
		`{"inputs":{"a":"1","b":"2"},"steps":[{"observation":"o","toolCall":{"input":"1","name":"calc"}},{"observation":"","toolCall":{"input":"","name":""}}]}`: &middleware.PlanRequest{
			Inputs: map[string]string{"b": "2", "a": "1"}, Steps: []middleware.Step{{ToolCall: calls[0], Observation: "o"}, {}},
		},
		`{"a":"1","b":[1,"x"],"c":null}`: map[string]any{"b": []any{1, "x"}, "a": "1", "c": nil},
	} {
		_, d := evidence.Commit(c)
		if _, got, err := d.Open(); err != nil || string(got) != want {
			t.Errorf("%T: got %s, %v, want %s", c, got, err, want)
		}
	}
}

// allocated returns how many bytes f and its goroutines allocate.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A content whose JSON has more than 16 MiB is committed to by its type, and what
// may be said of it is said all the same.
func TestAContentIsBoundedWhateverItsType(t *testing.T) {
	const over = 16<<20 + 1
	long, control := strings.Repeat("x", over), strings.Repeat("\x01", over/5)
	calls := []middleware.ToolCall{{Name: "a", Registered: "a", Input: long}}
	for name, tt := range map[string]struct {
		value any
		want  string
		size  int64
	}{
		"text":                 {long, `{"type":"string"}`, over},
		"text, longer as JSON": {control, `{"type":"string"}`, over / 5},
		"told":                 {middleware.Observation(long), `{"type":"string"}`, over},
		"map":                  {map[string]any{"a": "1", "b": long}, `{"type":"map[string]interface {}"}`, 34},
		"map of many":          {map[string]any{"a": long[:over/2], "b": long[:over/2], "c": []string{long[:9]}}, `{"type":"map[string]interface {}"}`, 34},
		"map, longer as JSON":  {map[string]any{"b": control}, `{"type":"map[string]interface {}"}`, 34},
		"other":                {[]string{long}, `{"type":"[]string"}`, 19},
		"answer": {&middleware.ModelResponse{Choices: []middleware.Choice{{Text: long, ToolCalls: calls}}},
			`{"type":"*middleware.ModelResponse"}`, 36},
		"answer, longer as JSON": {&middleware.ModelResponse{Choices: []middleware.Choice{{Text: control}}}, `{"type":"*middleware.ModelResponse"}`, 36},
		"plan":                   {&middleware.Plan{ToolCalls: calls}, `{"type":"*middleware.Plan"}`, 27},
	} {
		t.Run(name, func(t *testing.T) {
			of := shell
			switch tt.value.(type) {
			case *middleware.ModelResponse:
				of.Kind = middleware.KindModel
			case *middleware.Plan:
				of.Kind = middleware.KindPlan
			}
			_, outcome, opens := contentsOf(t, of, tt.value)
			if got := opened(t, outcome.Output, opens); got != tt.want || outcome.Output.Size != tt.size {
				t.Errorf("got %.100s of size %d, want %s of size %d", got, outcome.Output.Size, tt.want, tt.size)
			}
			switch name {
			case "answer":
				if a := outcome.Response; a == nil || a.Choices[0].Size != over || a.Choices[0].ToolCalls[0].Size != over {
					t.Errorf("got response %+v", a)
				}
			case "plan":
				if p := outcome.Plan; p == nil || p.ToolCalls[0].Name != "a" || p.ToolCalls[0].Size != over {
					t.Errorf("got plan %+v", p)
				}
			}
		})
	}
	request := &middleware.ModelRequest{Model: "m", Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: long}}}}}
	intent, _, opens := contentsOf(t, middleware.Call{Kind: middleware.KindModel, Name: "m", Input: request}, "ok")
	if q := intent.Request; q == nil || q.Model != "m" || q.Messages[0] != (record.Message{Role: "human", Size: over}) {
		t.Errorf("got request %+v", q)
	}
	if got := opened(t, intent.Input, opens); got != `{"type":"*middleware.ModelRequest"}` {
		t.Errorf("got %.100s", got)
	}
}

// A content of any size is committed to as it is: what opens the commitment says it.
func TestWhatIsCommittedToOpensAtAnySize(t *testing.T) {
	for _, size := range []int{0, 1, 30_000, 40_000, 70_000, 1 << 20, 3<<20 + 1} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		intent, outcome, opens := contentsOf(t, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: text}, text+"!")
		for _, tt := range []struct {
			content *record.Content
			want    string
		}{{intent.Input, text}, {outcome.Output, text + "!"}} {
			var got string
			if _, ok := opens[tt.content.Commitment]; !ok {
				t.Errorf("%d bytes: nothing opens the commitment", size)
			} else if err := json.Unmarshal([]byte(opened(t, tt.content, opens)), &got); err != nil || got != tt.want {
				t.Errorf("%d bytes: got %.40q of %d bytes, %v", size, got, len(got), err)
			}
		}
	}
}

// What a queued record keeps alive counts against the queue's memory, all of it.
func TestEverythingThatARecordKeepsAliveCounts(t *testing.T) {
	calls := []middleware.ToolCall{{Name: "a", Input: "12345"}, {Name: "b", Input: "123456"}}
	for _, tt := range []struct {
		content any
		want    int
	}{
		{nil, 0},
		{"123", 3},
		{middleware.Observation("1234"), 4},
		{map[string]any{"name": "12", "b": []string{"1"}}, len("name") + 2 + len("b") + len(`["1"]`)},
		{(*middleware.ModelRequest)(nil), 0},
		{&middleware.ModelRequest{Messages: []middleware.Message{
			{Parts: []middleware.Part{{Text: "1"}, {Text: "12"}}}, {Parts: []middleware.Part{{Text: "1234", Native: calls}}},
		}}, 1 + 2 + 4},
		{(*middleware.ModelResponse)(nil), 0},
		{&middleware.ModelResponse{Choices: []middleware.Choice{{Text: "12", Reasoning: "123"}, {Text: "1", ToolCalls: calls}}}, 2 + 3 + 1 + 5 + 6},
		{(*middleware.PlanRequest)(nil), 0},
		{&middleware.PlanRequest{
			Inputs: map[string]string{"a": "12", "b": "1"}, Steps: []middleware.Step{{ToolCall: calls[0], Observation: "1234567"}, {ToolCall: calls[1]}},
		}, 2 + 1 + 5 + 7 + 6},
		{(*middleware.Plan)(nil), 0},
		{&middleware.Plan{ToolCalls: calls}, 5 + 6},
		{&middleware.Plan{Final: map[string]any{"out": "12"}}, 3 + 2},
		{[]int{1, 2}, len("[1,2]")},
	} {
		if got := evidence.Kept(tt.content); got != tt.want {
			t.Errorf("%T %.80v: got %d bytes, want %d", tt.content, tt.content, got, tt.want)
		}
	}
}

// What is large by itself, or all together, holds a tool up for a moment and
// denies it nothing.
func TestLargeContentsDenyNoTool(t *testing.T) {
	for name, sizes := range map[string][]int{"one": {70 << 20}, "many": {15 << 20, 15 << 20, 15 << 20, 15 << 20, 15 << 20}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				r := open(t, dir, evidence.Config{ReadOnly: []string{"read"}})
				synctest.Wait()
				for _, size := range sizes {
					c := middleware.Call{Kind: middleware.KindTool, Name: "read", Input: ""}
					if _, err := call(t, r, c, say(strings.Repeat("x", size))); err != nil {
						t.Fatal(err)
					}
				}
				began := time.Now()
				if _, err := call(t, r, shell, say("ok")); err != nil {
					t.Errorf("the tool was denied: %v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the tool was held up for %v", took)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				ledgertest.WantIntact(t, dir)
			})
		})
	}
}

// A queue that stays full is waited for as long as the disk, and no longer.
func TestAFullQueueIsWaitedForWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var hung sync.Once
		cfg := evidence.Config{Queue: 4, ReadOnly: []string{"read"}, Patience: 3 * time.Second}
		cfg.Disclose = func(record.Disclosure) { hung.Do(func() { <-hang }) } // holds up all that comes after
		dir := ledgertest.Dir(t)
		r := open(t, dir, cfg)
		read := middleware.Call{Kind: middleware.KindTool, Name: "read", Input: ""}
		for range 10 {
			_, _ = call(t, r, read, say("ok"))
			time.Sleep(time.Second)
		}
		began := time.Now()
		_, err := call(t, r, shell, say("ok"))
		if !errors.Is(err, evidence.ErrUnavailable) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v, want evidence.ErrUnavailable after 3s", err, time.Since(began))
		}
		time.AfterFunc(2*time.Second, func() { close(hang) })
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Errorf("the tool was denied though there was room within its patience: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		ledgertest.WantIntact(t, dir)
	})
}

// Whatever is recorded, what opens it can be opened, and names that differ stay
// apart.
func TestWhateverIsRecordedOpens(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom([]string{"a\xff", "a\xfe", "a\xff\xfe", "a\uFFFD", "base64:", "base64:Yf8=", ""}), wildText())
	deep := rapid.Custom(func(t *rapid.T) any {
		n := rapid.SampledFrom([]int{0, 1, 100, 9_990, 9_997, 9_998, 9_999, 10_000}).Draw(t, "depth")
		return json.RawMessage(strings.Repeat("[", n) + "1" + strings.Repeat("]", n))
	})
	value := rapid.OneOf(
		rapid.Map(wildText(), func(s string) any { return s }), rapid.Just[any](nil), rapid.Just[any](3.5), deep,
		rapid.Map(rapid.MapOfN(name, wildText(), 0, 3), func(m map[string]string) any { return m }),
		rapid.Just[any](json.RawMessage(`{"a":1,"a":2}`)), rapid.Just[any](json.RawMessage("\xff")), rapid.Just[any](func() {}),
		rapid.Just[any](&brokenError{broken}),
	)
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOfN(name, value, 0, 5).Draw(t, "fields")
		inputs := rapid.MapOfN(name, wildText(), 0, 5).Draw(t, "inputs")
		text := wildText().Draw(t, "text")
		contents := []any{
			fields, &middleware.PlanRequest{Inputs: inputs, Steps: []middleware.Step{{ToolCall: middleware.ToolCall{Name: text}, Observation: text}}},
			&middleware.Plan{Final: fields}, &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: text, Input: text}}}, text,
			&middleware.ModelRequest{Messages: []middleware.Message{{Role: text, Parts: []middleware.Part{{Text: text}, {Size: 7}}}}, Stop: []string{text}},
			&middleware.ModelResponse{Choices: []middleware.Choice{{Text: text, Reasoning: text}}}, value.Draw(t, "value"),
		}
		for _, c := range contents {
			content, d := evidence.Commit(c)
			if d.Commitment() != content.Commitment {
				t.Fatalf("%T: the disclosure opens %s, not %s", c, d.Commitment(), content.Commitment)
			}
			_, got, err := d.Open()
			if err != nil {
				t.Fatalf("%T %.100v: %v", c, c, err)
			}
			if m, ok := c.(map[string]any); ok {
				var back map[string]json.RawMessage
				if err := json.Unmarshal(got, &back); err != nil || len(back) != len(m) {
					t.Fatalf("%d names were recorded as %d: %.200s, %v", len(m), len(back), got, err)
				}
			}
		}
	})
}
