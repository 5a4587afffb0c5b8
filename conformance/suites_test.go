package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/conformance/probe"
	"example.com/safeconduct/middleware"
)

var suites = flag.Bool("suites", false, "also run the test suites of langchaingo, which are compiled first")

// A suite is a package of langchaingo with tests.
type suite struct {
	pkg   string
	want  tally
	kinds []middleware.Kind // of the calls that must have been guarded
}

// A tally counts tests by how they ended.
type tally struct {
	pass, subtests int // subtests that passed
	fail, skip     int // with their subtests
}

// The tallies are those of langchaingo v0.1.14, nothing left out. The tests that
// are skipped need a key or a server, or are switched off by langchaingo itself.
var allSuites = []suite{
	{"./chains", tally{pass: 42, subtests: 43, skip: 9}, []middleware.Kind{middleware.KindChain, middleware.KindModel}},
	{"./agents", tally{pass: 11}, []middleware.Kind{middleware.KindChain, middleware.KindModel, middleware.KindPlan, middleware.KindTool}},
}

// An edit replaces every occurrence of a text in a file, of which there must be
// n: where langchaingo has changed, the edits are to be looked at again.
type edit struct {
	file, old, new string
	n              int
}

// after returns the edit that puts text after the one occurrence of line.
func after(file, line, text string) edit { return edit{file, line, line + text, 1} }

var edits = []edit{
	// Call the hooks of testdata/langchaingo.
	after("chains/chains.go",
		"\nfunc Call(ctx context.Context, c Chain, inputValues map[string]any, options ...ChainCallOption) (map[string]any, error) { // nolint: lll\n", "\tc = hookChain(c)\n"),
	after("chains/llm.go", "\nfunc NewLLMChain(llm llms.Model, prompt prompts.FormatPrompter, opts ...ChainCallOption) *LLMChain {\n",
		"\tllm = hookModel(llm)\n"),
	after("chains/conversation.go", "\nfunc NewConversation(llm llms.Model, memory schema.Memory) LLMChain {\n", "\tllm = hookModel(llm)\n"),
	after("agents/executor.go", "\nfunc NewExecutor(agent Agent, opts ...Option) *Executor {\n", "\tagent = hookAgent(agent)\n"),
	after("agents/mrkl.go", "\nfunc NewOneShotAgent(llm llms.Model, tools []tools.Tool, opts ...Option) *OneShotZeroAgent {\n", "\ttools = hookTools(tools)\n"),
	after("agents/conversational.go", "\nfunc NewConversationalAgent(llm llms.Model, tools []tools.Tool, opts ...Option) *ConversationalAgent {\n",
		"\ttools = hookTools(tools)\n"),
	after("agents/openai_functions_agent.go",
		"\nfunc NewOpenAIFunctionsAgent(llm llms.Model, tools []tools.Tool, opts ...Option) *OpenAIFunctionsAgent {\n",
		"\tllm, tools = hookModel(llm), hookTools(tools)\n"),

	// Compare recorded requests by value: five recordings of agents are older
	// than a change in the order of a request's keys.
	after("internal/httprr/rr.go", "\trespLog, ok := rr.replay[reqLog]\n", "\tif !ok {\n\t\trespLog, ok = rr.byValue(reqLog)\n\t}\n"),

	// The mocks of chains want the caller's very context. A guard passes on one that
	// is derived from it, which they are made to accept.
	{"chains/chains_unit_test.go", `chain.On("Call", ctx, `, `chain.On("Call", derivedFrom(ctx), `, 7},
	{"chains/chains_unit_test.go", `chain.AssertCalled(t, "Call", ctx, `, `chain.AssertCalled(t, "Call", derivedFrom(ctx), `, 1},
	{"chains/chains_unit_test.go", `memory.On("SaveContext", ctx, `, `memory.On("SaveContext", derivedFrom(ctx), `, 5},
}

func (e edit) apply(dir string) error {
	name := filepath.Join(dir, filepath.FromSlash(e.file))
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("edit of %s: %w", e.file, err)
	}
	if n := strings.Count(string(data), e.old); n != e.n {
		return fmt.Errorf("edit of %s: found %d times, want %d: %q", e.file, n, e.n, e.old)
	}
	return os.WriteFile(name, []byte(strings.ReplaceAll(string(data), e.old, e.new)), 0o600)
}

// TestTrap36OwnSuites runs the suites of langchaingo's chains and agents four times:
// as they are, guarded by an interceptor that counts, by one that also copies
// all that passes, and the latter under the race detector. Every test ends the
// same way in all four.
func TestTrap36OwnSuites(t *testing.T) {
	if !*suites {
		t.Skip("without the flag -suites")
	}
	dir := editedCopy(t)
	for _, s := range allSuites {
		bare := runSuite(t, dir, s.pkg, probe.GuardNone)
		for _, p := range s.problemsUnguarded(bare) {
			t.Errorf("%s unguarded: %s", s.pkg, p)
		}
		for _, how := range []struct {
			guard string
			flags []string
		}{{probe.GuardCount, nil}, {probe.GuardCopy, nil}, {probe.GuardCopy, []string{"-race"}}} {
			guarded := runSuite(t, dir, s.pkg, how.guard, how.flags...)
			for _, p := range s.problems(bare, guarded) {
				t.Errorf("%s guarded by %s %v: %s", s.pkg, how.guard, how.flags, p)
			}
		}
	}
}

func (s suite) problemsUnguarded(bare result) (problems []string) {
	if got := bare.tally(); got != s.want {
		problems = append(problems, fmt.Sprintf("got %+v, want %+v", got, s.want))
	}
	for test, end := range bare.ends {
		if end == "fail" {
			problems = append(problems, bare.output[test])
		}
	}
	for kind, n := range bare.counts {
		if n != 0 {
			problems = append(problems, fmt.Sprintf("%d %s calls were guarded", n, kind))
		}
	}
	return problems
}

// problems says where a guarded run ended differently, or guarded nothing.
func (s suite) problems(bare, guarded result) (problems []string) {
	all := maps.Clone(bare.ends)
	maps.Copy(all, guarded.ends)
	for _, test := range slices.Sorted(maps.Keys(all)) {
		if got, want := guarded.ends[test], bare.ends[test]; got != want {
			problems = append(problems, fmt.Sprintf("%s: got %q, want %q\n%s", test, got, want, guarded.output[test]))
		}
	}
	for _, kind := range s.kinds {
		if guarded.counts[kind.String()] == 0 {
			problems = append(problems, fmt.Sprintf("no %s call was guarded", kind))
		}
	}
	return problems
}

func TestProblems(t *testing.T) {
	s := suite{"./x", tally{pass: 1, subtests: 1, skip: 1}, []middleware.Kind{middleware.KindChain, middleware.KindTool}}
	ends := map[string]string{"TestA": "pass", "TestA/b": "pass", "TestC": "skip"}
	changed := func(test, end string) map[string]string {
		m := maps.Clone(ends)
		m[test] = end
		return m
	}
	none, some := map[string]int64{"chain": 0, "tool": 0}, map[string]int64{"chain": 2, "tool": 1}
	for _, tt := range []struct {
		name          string
		bare, guarded result
		want          int
	}{
		{"the same", result{ends: ends, counts: none}, result{ends: ends, counts: some}, 0},
		{"nothing was guarded", result{ends: ends, counts: none}, result{ends: ends, counts: none}, 2},
		{"a kind was not guarded", result{ends: ends, counts: none}, result{ends: ends, counts: map[string]int64{"chain": 2}}, 1},
		{"a test fails", result{ends: ends, counts: none}, result{ends: changed("TestA/b", "fail"), counts: some}, 1},
		{"a test is skipped", result{ends: ends, counts: none}, result{ends: changed("TestA", "skip"), counts: some}, 1},
		{"a test is missing", result{ends: changed("TestD", "pass"), counts: none}, result{ends: ends, counts: some}, 2},
		{"a test is new", result{ends: ends, counts: none}, result{ends: changed("TestD", "pass"), counts: some}, 1},
		{"unguarded, a test fails", result{ends: changed("TestA", "fail"), counts: none}, result{ends: changed("TestA", "fail"), counts: some}, 2},
		{"unguarded, something was guarded", result{ends: ends, counts: some}, result{ends: ends, counts: some}, 2},
	} {
		got := append(s.problemsUnguarded(tt.bare), s.problems(tt.bare, tt.guarded)...)
		if len(got) != tt.want {
			t.Errorf("%s: got %d problems %q, want %d", tt.name, len(got), got, tt.want)
		}
	}
}

// TestEdits checks that the edits fit this version of langchaingo, without
// compiling it.
func TestEdits(t *testing.T) {
	dir := filepath.Join(editedCopy(t), "langchaingo")
	var files []string
	for _, e := range edits {
		files = append(files, e.file)
	}
	added := os.DirFS(filepath.Join("testdata", "langchaingo"))
	err := fs.WalkDir(added, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, filepath.FromSlash(name)), nil, parser.SkipObjectResolution); err != nil {
			t.Error(err)
		}
	}
	for _, e := range []edit{
		after("chains/none.go", "package chains\n", "\n"),
		after("chains/llm.go", "no such line\n", "\n"),
		{"chains/llm.go", "package chains\n", "\n", 2},
	} {
		if err := e.apply(dir); err == nil {
			t.Errorf("%+v: got no error", e)
		}
	}
}

// editedCopy returns a directory with a copy of langchaingo that has hooks, in
// a workspace with this module and the root.
func editedCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	to := filepath.Join(dir, "langchaingo")
	if err := os.CopyFS(to, os.DirFS(langchaingoDir(t))); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		if err := e.apply(to); err != nil {
			t.Fatal(err)
		}
	}
	// CopyFS refuses to overwrite what langchaingo itself has.
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata", "langchaingo"))); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	work := fmt.Sprintf("go 1.26.0\n\nuse (\n\t./langchaingo\n\t%q\n\t%q\n)\n", here, filepath.Dir(here))
	if err := os.WriteFile(filepath.Join(dir, "go.work"), []byte(work), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A result says how each test of a suite ended, and what was guarded.
type result struct {
	ends   map[string]string // "pass", "fail" or "skip", by the test's name
	output map[string]string
	counts map[string]int64 // by kind
}

func runSuite(t *testing.T, dir, pkg, guard string, flags ...string) result {
	t.Helper()
	counts := filepath.Join(dir, "counts.json")
	if err := os.RemoveAll(counts); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	// With -trimpath the build cache serves any copy.
	args := append([]string{"test", "-json", "-count=1", "-vet=off", "-trimpath", "-timeout=5m"}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, pkg)...)
	cmd.Dir = filepath.Join(dir, "langchaingo")
	cmd.Env = append(suiteEnv(os.Environ()),
		"GOWORK="+filepath.Join(dir, "go.work"),
		"GOFLAGS=",            // -mod does not go with a workspace
		"GOOGLE_API_KEY=none", // TestLLMChainWithGoogleAI replays only where there is one
		probe.EnvGuard+"="+guard, probe.EnvCounts+"="+counts)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	res := result{ends: map[string]string{}, output: map[string]string{}, counts: map[string]int64{}}
	said := "" // by the whole package
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		res.output[e.Test] += e.Output
		said += e.Output
		switch e.Action {
		case "pass", "fail", "skip":
			if e.Test != "" {
				res.ends[e.Test] = e.Action
			}
		}
	}
	data, readErr := os.ReadFile(counts)
	if readErr != nil || json.Unmarshal(data, &res.counts) != nil || lines.Err() != nil {
		t.Fatalf("%s: go %v: %v, %v\n%s\n%s", pkg, args, err, readErr, stderr.String(), said[max(0, len(said)-4000):])
	}
	t.Logf("%s guarded by %-5s %v: %+v, guarded calls %v, %.1fs", pkg, guard, flags, res.tally(), res.counts, time.Since(start).Seconds())
	return res
}

// suiteEnv leaves out of the environment what the tests of langchaingo look at:
// keys, endpoints and servers that would have them leave their recordings.
func suiteEnv(environ []string) []string {
	keep := []string{"PATH", "HOME", "TMPDIR", "USER", "SSL_CERT_DIR", "SSL_CERT_FILE",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		goes := strings.HasPrefix(name, "GO") && !strings.HasPrefix(name, "GOOGLE") ||
			strings.HasPrefix(name, "CGO_") || strings.HasPrefix(name, "XDG_")
		return !goes && !slices.Contains(keep, name)
	})
}

func (r result) tally() (n tally) {
	for test, end := range r.ends {
		switch {
		case end == "fail":
			n.fail++
		case end == "skip":
			n.skip++
		case strings.Contains(test, "/"):
			n.subtests++
		default:
			n.pass++
		}
	}
	return n
}
