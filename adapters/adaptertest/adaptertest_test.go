package adaptertest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/adapters/adaptertest"
	"example.com/safeconduct/middleware"
)

// toy is an adapter of a framework whose tools and models are funcs. Its fields
// break it, each in one way.
type toy struct {
	unguarded    bool // calls around the guard
	noTell       bool // takes no Observation
	keepsOutput  bool // returns the output with a denial
	losesContext bool
	otherInput   bool // runs with the input as it came
	deaf         bool // returns the output as it came
	noPanic      bool // takes nil interceptors
	wrongName    bool
	noUsage      bool
	believes     bool // any usage
	forgets      bool // a verdict that the client swallowed
	streams      bool // after a denial
	setsStream   bool
	ownStream    bool // where an interceptor took it off
	byPointer    bool // tells changes of an output by its pointer
}

func (a toy) Tool(name string, f adaptertest.ToolFunc, is ...middleware.Interceptor) adaptertest.ToolFunc {
	var out string
	if a.noPanic && (len(is) == 0 || slices.ContainsFunc(is, func(i middleware.Interceptor) bool { return i == nil })) {
		return f
	}
	registered := name
	if a.wrongName {
		registered = "tool"
	}
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		in, ok := call.Input.(string)
		if !ok {
			return middleware.Result{}, errors.New("no string")
		}
		if a.otherInput {
			in = ctx.Value(inputKey{}).(string)
		}
		if a.losesContext {
			ctx = context.Background()
		}
		var err error
		out, err = f(ctx, in)
		return middleware.Result{Output: out}, err
	}, is...)
	return func(ctx context.Context, input string) (string, error) {
		if a.unguarded {
			return f(ctx, input)
		}
		out = ""
		res, err := h(context.WithValue(ctx, inputKey{}, input), middleware.Call{Kind: middleware.KindTool, Name: registered, Input: input})
		if err != nil && a.keepsOutput {
			return out, err
		}
		if err != nil {
			return "", err
		}
		switch o := res.Output.(type) {
		case string:
			if a.deaf {
				return out, nil
			}
			return o, nil
		case middleware.Observation:
			if !a.noTell {
				return string(o), nil
			}
		}
		return "", errors.New("no string")
	}
}

type inputKey struct{}

func (a toy) Model(m adaptertest.Model, is ...middleware.Interceptor) adaptertest.ModelFunc {
	var answer *middleware.ModelResponse
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if m.Before != nil {
			if err := m.Before(ctx, call.Input.(*middleware.ModelRequest).Messages[0].Parts[0].Text); err != nil {
				return middleware.Result{}, err
			}
		}
		u := &middleware.Usage{InputTokens: m.Input, OutputTokens: m.Output, Reported: a.believes || m.Input > 0 && m.Input < 1<<40}
		if a.noUsage {
			u = nil
		}
		var verdict error
		if stream, ok := ctx.Value(streamKey{}).(middleware.Stream); ok {
			if call.Stream == nil && a.ownStream {
				call.Stream = stream
			}
			for _, c := range m.Chunks {
				if verdict != nil && !a.streams {
					break
				}
				if err := call.Stream(ctx, middleware.Chunk{Text: []byte(c)}); err != nil && verdict == nil {
					verdict = err
				}
				if ctx.Err() != nil && verdict == nil {
					verdict = ctx.Err()
				}
			}
		}
		if verdict != nil && (!m.Swallow || !a.forgets) {
			return middleware.Result{Usage: u}, verdict
		}
		answer = &middleware.ModelResponse{Choices: []middleware.Choice{{Text: strings.Join(m.Chunks, "")}}}
		return middleware.Result{Usage: u, Output: answer}, nil
	}, is...)
	return func(ctx context.Context, prompt string, stream func(string) error) (string, error) {
		call := middleware.Call{Kind: middleware.KindModel, Name: "toy", Input: &middleware.ModelRequest{
			Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: prompt}}}},
		}}
		if stream != nil {
			call.Stream = func(_ context.Context, c middleware.Chunk) error { return stream(string(c.Text)) }
			ctx = context.WithValue(ctx, streamKey{}, call.Stream)
		} else if a.setsStream {
			call.Stream = func(context.Context, middleware.Chunk) error { return nil }
		}
		res, err := h(ctx, call)
		if err != nil {
			return "", err
		}
		if a.byPointer && res.Output == answer {
			return strings.Join(m.Chunks, ""), nil
		}
		return res.Output.(*middleware.ModelResponse).Choices[0].Text, nil
	}
}

type streamKey struct{}

func TestAGoodAdapterPasses(t *testing.T) {
	adaptertest.Test(t, adaptertest.Adapter{Tool: toy{}.Tool, Model: toy{}.Model})
}

// broken are adapters that are wrong in one way, with rules that must say so.
var broken = map[string]struct {
	toy   toy
	rules []string
}{
	"unguarded":    {toy{unguarded: true}, []string{"tool/a_denial_is_an_error_and_the_tool_does_not_run", "tool/a_panic_of_the_tool_is_a_PanicError"}},
	"noTell":       {toy{noTell: true}, []string{"tool/under_Tell_a_denial_is_text_for_the_model"}},
	"keepsOutput":  {toy{keepsOutput: true}, []string{"tool/a_withheld_output_is_an_error"}},
	"losesContext": {toy{losesContext: true}, []string{"tool/the_context's_values_and_end_reach_the_tool"}},
	"otherInput":   {toy{otherInput: true}, []string{"tool/what_was_judged_is_what_ran"}},
	"deaf":         {toy{deaf: true}, []string{"tool/a_changed_output_is_what_comes_back"}},
	"noPanic":      {toy{noPanic: true}, []string{"tool/nothing_to_guard_with,_nil_and_disorder_panic"}},
	"wrongName":    {toy{wrongName: true}, []string{"tool/a_call_is_of_KindTool,_with_the_tool's_name_and_input"}},
	"noUsage":      {toy{noUsage: true}, []string{"model/the_provider's_usage_is_metered,_streamed_or_not"}},
	"believes":     {toy{believes: true}, []string{"model/usage_that_cannot_be_is_not_believed"}},
	"forgets":      {toy{forgets: true}, []string{"model/no_byte_is_streamed_after_a_denial,_which_is_the_error"}},
	"streams":      {toy{streams: true}, []string{"model/no_byte_is_streamed_after_a_denial,_which_is_the_error"}},
	"ownStream":    {toy{ownStream: true}, []string{"model/a_stream_that_is_taken_off_the_call_reaches_nobody"}},
	"byPointer":    {toy{byPointer: true}, []string{"model/an_answer_that_was_changed_in_place_is_what_comes_back,_or_the_call_fails"}},
	"setsStream":   {toy{setsStream: true}, []string{"model/a_call_is_of_KindModel,_with_the_request_as_input"}},
}

const brokenEnv = "ADAPTERTEST_BROKEN"

// TestBroken plays the kit against a broken adapter, in a process of its own.
func TestBroken(t *testing.T) {
	name := os.Getenv(brokenEnv)
	if name == "" {
		t.Skip("a helper of TestABrokenAdapterFails")
	}
	a := broken[name].toy
	adaptertest.Test(t, adaptertest.Adapter{Tool: a.Tool, Model: a.Model})
}

var failed = regexp.MustCompile(`--- FAIL: TestBroken/(\S+/\S+) \(`)

func TestABrokenAdapterFails(t *testing.T) {
	for name, tt := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.v")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the kit found nothing")
			}
			var got []string
			for _, m := range failed.FindAllStringSubmatch(string(out), -1) {
				got = append(got, m[1])
			}
			for _, want := range tt.rules {
				if !slices.Contains(got, want) {
					t.Errorf("got failures of %q, want one of %q", got, want)
				}
			}
		})
	}
}
