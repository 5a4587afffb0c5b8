package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

func TestInspect(t *testing.T) {
	dir, _ := ledger(t)
	code, stdout, stderr := safeconduct("inspect", dir)
	if code != exitDone || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "inspect", stdout, dir)
	for line := range strings.Lines(strings.ReplaceAll(stdout, dir, "ledger")) {
		if n := len([]rune(line)) - 1; n > lineWidth {
			t.Errorf("got a line of %d characters, want at most %d: %s", n, lineWidth, line)
		}
		if strings.HasSuffix(line, " \n") {
			t.Errorf("got %q, want no space at the end", line)
		}
	}
}

func TestInspectOneRun(t *testing.T) {
	dir, _ := ledger(t)
	_, all, _ := safeconduct("inspect", dir)
	id := regexp.MustCompile(`run (\w{26})`).FindAllStringSubmatch(all, -1)[1][1]
	code, stdout, stderr := safeconduct("inspect", dir, "--run", id)
	if code != exitDone || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "inspect_run", stdout, dir)

	code, stdout, _ = safeconduct("inspect", dir, "--run", id, "--json")
	if code != exitDone {
		t.Errorf("--json: got %d, want %d", code, exitDone)
	}
	lines := slices.Collect(strings.Lines(stdout))
	if len(lines) != 6 {
		t.Errorf("--json: got %d lines, want 6", len(lines))
	}
	for _, line := range lines {
		if !strings.Contains(line, id) {
			t.Errorf("--json: got %s, want records of %s", line, id)
		}
	}
}

// The lines of JSON hold the records as they stand in the ledger.
func TestInspectJSON(t *testing.T) {
	dir, _ := ledger(t)
	code, stdout, stderr := safeconduct("inspect", dir, "--json")
	if code != exitDone || stderr != "" {
		t.Fatalf("got %d, %q, want %d", code, stderr, exitDone)
	}
	lines := slices.Collect(strings.Lines(stdout))
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		var got line
		if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
			t.Fatal(err)
		}
		lines = lines[1:]
		if *got.Hash != e.Hash || got.Segment != e.Segment || got.Offset != e.Offset {
			t.Errorf("got %+v, want the place and hash of %+v", got, e)
		}
		if got, want := string(encode(t, got.Record)), string(encode(t, e.Record)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if len(lines) > 0 {
		t.Errorf("got %d lines too many", len(lines))
	}
}

func TestInspectDamaged(t *testing.T) {
	intact, _ := ledger(t)
	segment := flip(t, intact, 3)
	dir := writeSegment(t, segment[:len(segment)-100])
	code, stdout, stderr := safeconduct("inspect", dir)
	if code != exitDamaged || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDamaged)
	}
	if got := strings.Count(stdout, "DAMAGE: segment 1, offset "); got != 2 {
		t.Errorf("got %d damages in\n%s\nwant 2", got, stdout)
	}
	code, stdout, stderr = safeconduct("inspect", dir, "--json")
	if code != exitDamaged || stderr != "" {
		t.Errorf("--json: got %d, %q, want %d", code, stderr, exitDamaged)
	}
	if got := strings.Count(stdout, `"error":"evidence: segment 1`); got != 2 {
		t.Errorf("--json: got %d damages in\n%s\nwant 2", got, stdout)
	}
}

// odd returns a signed ledger that no recorder would write.
func odd(t *testing.T) (dir, public string) {
	t.Helper()
	key, public := newKey(t)
	f := newForger(t, key, 1)
	// Two runs at a time, the second of which ends first.
	f.start("A")
	f.intent("A", 1, 0, "chain", "first")
	f.start("B")
	f.intent("B", 1, 0, "chain", "second")
	f.intent("B", 2, 1, "tool", "twice")
	f.intent("B", 2, 1, "tool", "twice")
	f.outcome("B", 3, 2, "tool", "no-intent")
	f.intent("B", 4, 4, "tool", "own-parent")
	f.intent("B", 5, 6, "tool", "circle")
	f.intent("B", 6, 5, "tool", "circle")
	f.intent("B", 7, 99, "tool", "orphan")
	for i := uint32(2); i <= 7; i++ {
		f.outcome("B", i, 0, "tool", "x")
	}
	f.outcome("B", 2, 0, "tool", "x")
	f.outcome("B", 1, 0, "chain", "second")
	f.end("B", 6)
	f.gap(3, "the queue was full")
	f.intent("B", 8, 1, "tool", "after-the-end")
	f.outcome("A", 1, 0, "chain", "first")
	f.end("A", 1)
	f.intent("A", 2, 1, "tool", "late")
	f.intent("partial", 3, 0, "tool", "rootless")
	f.sign(record.Record{Kind: record.KindEnd, Run: "C", RunSeq: 9, RunEnd: &record.RunEnd{Records: 9}})

	// A writer that knows nothing of the one before it.
	g := newForger(t, key, 2)
	g.start("D")
	for i := range uint32(12) {
		g.intent("D", i+1, i, "chain", fmt.Sprint("deep-", i))
	}
	return writeLedger(t, slices.Concat(f.envelopes, g.envelopes)...), public
}

func TestInspectOfOddities(t *testing.T) {
	dir, _ := odd(t)
	code, stdout, stderr := safeconduct("inspect", dir)
	if code != exitDone || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "inspect_odd", stdout, dir)
}

func TestInspectOfDeliveries(t *testing.T) {
	key, _ := newKey(t)
	f := newForger(t, key, 1)
	refused := func(ranges ...record.Range) {
		r := record.Refusal{Exporter: "collector", Ranges: ranges, Error: []string{"http.400", "\x1b[31m"}}
		for _, g := range ranges {
			r.Count += g.To - g.From + 1
		}
		f.sign(record.Record{Kind: record.KindDeliveryFailed, Refused: &r})
	}
	refused(record.Range{From: 1, To: 1, Writer: f.writer})
	f.sign(record.Record{Kind: record.KindBreaker, Breaker: &record.Breaker{Exporter: "collector", State: "open", Changes: 1, Error: []string{"http.503"}}})
	f.sign(record.Record{Kind: record.KindBreaker, Breaker: &record.Breaker{Exporter: "collector", State: "closed", Changes: 1}})
	var many []record.Range
	for range 6 {
		many = append(many, record.Range{From: 1, To: 2, Writer: f.writer})
	}
	refused(many...)
	dir := writeLedger(t, f.envelopes...)
	code, stdout, stderr := safeconduct("inspect", dir)
	if code != exitDone || stderr != "" {
		t.Errorf("got %d, %q, want %d", code, stderr, exitDone)
	}
	golden(t, "inspect_deliveries", stdout, dir)
}

func TestInspectMarksARecoveredWriter(t *testing.T) {
	for want, recovered := range map[string]record.Recovered{
		"UTC  cut 77 B off segment 3\n": {Bytes: 77, Segment: 3},
		"UTC  took over 2 records of the overflow, wrote 1 tile again, cut off 5 records that nothing signed, set 7 B of the overflow aside\n": {
			Overflow: 2, Tiles: 1, Unsigned: &record.Unsigned{Records: 5}, Aside: &record.Aside{Bytes: 7},
		},
	} {
		key, _ := newKey(t)
		f := &forger{t: t, key: key, writer: id(1)}
		session := sessionOf(t, key)
		session.Recovered = &recovered
		f.sign(record.Record{Kind: record.KindSession, Session: &session})
		_, stdout, _ := safeconduct("inspect", writeLedger(t, f.envelopes...))
		if !strings.Contains(stdout, want) {
			t.Errorf("got %q, want it to say %q", stdout, want)
		}
	}
}

// hostile is what a ledger may say to a terminal: colors, a line of its own, a
// window title, text that runs backwards, what hides.
const hostile = "x\x1b[31mred\nrun FORGED\r\x07\u0085\u009b2J\u202egnp.exe\u2066\u200b\u2028\U000e0041\x7f"

func checkPrintable(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if line := strings.TrimSuffix(line, "\n"); !printable(line) {
			t.Errorf("got %q, want it printable", line)
		}
	}
}

// TestFault49HostileDataIsEscaped has everything that comes from models, tools and
// users try to forge lines and drive the terminal. Nothing is printed as CSV or
// HTML; what a tool said is shown by reveal alone, see TestProveAndVerifyProof.
func TestFault49HostileDataIsEscaped(t *testing.T) {
	key, public := newKey(t)
	dir := t.TempDir()
	r := open(t, dir, evidence.Config{Key: key, Ledger: "l\u202e\u200b"})
	ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Subject: hostile, Session: hostile, Tenant: hostile})
	for _, kind := range []middleware.Kind{middleware.KindTool, middleware.KindChain} {
		_ = do(ctx, kind, hostile, says(""), r.Intercept, allow(hostile),
			middleware.Shadow(deny(hostile, middleware.Code(hostile), hostile)),
			deny(hostile, middleware.Code(hostile), hostile))
	}
	_ = do(ctx, middleware.KindModel, hostile, func(context.Context) (any, *middleware.Usage, error) {
		return &middleware.ModelResponse{Model: hostile, Choices: []middleware.Choice{
			{StopReason: hostile, ToolCalls: []middleware.ToolCall{{Name: hostile, Registered: hostile}}},
		}}, nil, nil
	}, r.Intercept, allow(`=HYPERLINK("http://x","y")`))
	shut(t, r)
	damaged := writeLedger(t, append(readEnvelopes(t, dir)[:3], []byte(`{"payload":"`+hostile+`"}`))...)
	for _, args := range [][]string{
		{"verify", dir, "--key", public}, {"inspect", dir},
		{"verify", damaged, "--key", public}, {"inspect", damaged},
		{"verify", dir, "--key", public, "--ledger", hostile},
	} {
		for _, extra := range [][]string{nil, {"--json"}} {
			args := append(slices.Clone(args), extra...)
			_, stdout, stderr := safeconduct(args...)
			if stdout == "" {
				t.Errorf("%q: got nothing, %q", args, stderr)
			}
			checkPrintable(t, stdout+stderr)
			if strings.Contains(stdout, "\nrun FORGED") {
				t.Errorf("%q: got a forged line:\n%s", args, stdout)
			}
		}
	}
	_, stdout, _ := safeconduct("tail", dir)
	if stdout == "" {
		t.Error("tail: got nothing")
	}
	checkPrintable(t, stdout)
	_, stdout, _ = safeconduct("inspect", dir)
	for _, want := range []string{`\x1b[31mred\nrun FORGED\r\a\u0085\u009b2J\u202egnp.exe\u2066\u200b\u2028\U000e0041\x7f`} {
		if !strings.Contains(oneLine(stdout), want) {
			t.Errorf("got\n%s\nwant %s in it", stdout, want)
		}
	}
	_, stdout, _ = safeconduct("inspect", dir, "--json")
	found := false
	for l := range strings.Lines(stdout) {
		var got line
		if err := json.Unmarshal([]byte(l), &got); err != nil {
			t.Fatal(err)
		}
		found = found || got.Record.Call != nil && got.Record.Call.Name == hostile
	}
	if !found {
		t.Errorf("got\n%s\nwant the name to decode as it was recorded", stdout)
	}
}

// A call that was refused in mid-stream says what had left.
func TestInspectSaysWhatHadLeft(t *testing.T) {
	key, _ := newKey(t)
	dir := t.TempDir()
	r := open(t, dir, evidence.Config{Key: key, Ledger: "l"})
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: ""}, call.Stream(ctx, middleware.Chunk{Text: []byte("seven b")})
	}, r.Intercept, middleware.PassThrough(middleware.After("output", func(context.Context, middleware.Call, middleware.Result) error {
		return middleware.Deny(middleware.CodeBadOutput, "not that")
	})))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run", Stream: func(context.Context, middleware.Chunk) error { return nil }})
	if err == nil {
		t.Fatal("got no denial")
	}
	shut(t, r)
	code, stdout, stderr := safeconduct("inspect", dir)
	if want := "7 bytes of its stream had left before"; code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("got %d, %s%s, want %q", code, stdout, stderr, want)
	}
}

// A turn that was refused asked for tools, and none of them ran.
func TestInspectARefusedTurn(t *testing.T) {
	key, _ := newKey(t)
	dir := filepath.Join(t.TempDir(), "ledger")
	r := open(t, dir, evidence.Config{Key: key})
	_ = do(t.Context(), middleware.KindPlan, "react", says("rm"), r.Intercept,
		middleware.After("tools", func(context.Context, middleware.Call, middleware.Result) error {
			return middleware.Deny(middleware.CodeToolNotAllowed, "rm is not on the list")
		}))
	shut(t, r)
	out := oneLine(succeeds(t, "inspect", dir))
	if want := "denied by tools (tool_not_allowed) before any of its tools ran: rm is not on the list"; !strings.Contains(out, want) {
		t.Errorf("got %s, want %q", out, want)
	}
}

// What is printed for people fits into 80 columns, but for what others wrote and for
// commands to copy.
func TestWidth(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(paths) < 20 {
		t.Fatalf("got %q, %v", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "json") || strings.Contains(path, "tail") {
			continue // one line each, for grep
		}
		for line := range strings.Lines(string(data)) {
			if n := len([]rune(line)) - 1; n > 80 && !strings.Contains(line, `\u`) {
				t.Errorf("%s: a line of %d characters: %s", path, n, line)
			}
		}
	}
}

// A run says how much of its agent was guarded, where that is known.
func TestInspectCoverage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	key, _ := newKey(t)
	r := open(t, dir, evidence.Config{Key: key})
	for _, opaque := range []int{0, 2} {
		ctx := middleware.WithCoverage(t.Context(), middleware.Coverage{Guarded: 4, Unguarded: 1, Opaque: opaque})
		if err := do(ctx, middleware.KindTool, "calc", says("1"), r.Intercept); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, r)
	for _, command := range []string{"inspect", "tail"} {
		out := succeeds(t, command, dir)
		if n := strings.Count(out, "coverage: 4 guarded, 1 not guarded"); n != 2 || strings.Count(out, ", 2 opaque") != 1 {
			t.Errorf("%s: got\n%s", command, out)
		}
	}
}
