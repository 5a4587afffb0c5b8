package langchaingo_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// mistralUsage has the shape of the struct that mistral's client gives.
type mistralUsage struct{ PromptTokens, TotalTokens, CompletionTokens int }

func TestTrap15UsageOfEveryProvider(t *testing.T) {
	type info = map[string]any
	unknown := middleware.Usage{}
	for name, tt := range map[string]struct {
		choices []info
		want    middleware.Usage
	}{
		"openai, repeated on each choice": {
			[]info{
				{"PromptTokens": 11, "CompletionTokens": 5, "TotalTokens": 16, "ReasoningTokens": 2, "PromptCachedTokens": 3},
				{"PromptTokens": 11, "CompletionTokens": 5, "TotalTokens": 16},
			},
			middleware.Usage{InputTokens: 11, OutputTokens: 5, TotalTokens: 16, CachedTokens: 3, ReasoningTokens: 2, Reported: true},
		},
		"anthropic, which leaves out what went through the cache": {
			[]info{{"InputTokens": 10, "OutputTokens": 4, "CacheCreationInputTokens": 7, "CacheReadInputTokens": 100}},
			middleware.Usage{InputTokens: 117, OutputTokens: 4, TotalTokens: 121, CachedTokens: 100, CacheWriteTokens: 7, Reported: true},
		},
		"googleai, int32 in both spellings": {
			[]info{{"PromptTokens": int32(8), "input_tokens": int32(8), "CompletionTokens": int32(2), "output_tokens": int32(2),
				"TotalTokens": int32(15), "total_tokens": int32(15)}},
			middleware.Usage{InputTokens: 8, OutputTokens: 2, TotalTokens: 15, Reported: true},
		},
		"bedrock": {
			[]info{{"input_tokens": 8, "output_tokens": 2}},
			middleware.Usage{InputTokens: 8, OutputTokens: 2, TotalTokens: 10, Reported: true},
		},
		"bedrock, whose Titan counts each result by itself": {
			[]info{{"input_tokens": 3, "output_tokens": 100}, {"input_tokens": 3, "output_tokens": 100}},
			middleware.Usage{InputTokens: 3, OutputTokens: 200, TotalTokens: 203, Reported: true},
		},
		"bedrock, of which one result has no count": {[]info{{"input_tokens": 3, "output_tokens": 100}, {}}, unknown},
		"vertex, repeated on each choice": {
			[]info{{"input_tokens": int32(3), "output_tokens": int32(5), "total_tokens": int32(8)},
				{"input_tokens": int32(3), "output_tokens": int32(5), "total_tokens": int32(8)}},
			middleware.Usage{InputTokens: 3, OutputTokens: 5, TotalTokens: 8, Reported: true},
		},
		"mistral, a struct": {
			[]info{{"usage": mistralUsage{8, 10, 2}}},
			middleware.Usage{InputTokens: 8, OutputTokens: 2, TotalTokens: 10, Reported: true},
		},
		"mistral, a pointer": {
			[]info{{"usage": &mistralUsage{8, 10, 2}}},
			middleware.Usage{InputTokens: 8, OutputTokens: 2, TotalTokens: 10, Reported: true},
		},
		"a map of floats and numbers": {
			[]info{{"usage": info{"prompt_tokens": 8.0, "completion_tokens": json.Number("2"), "total_tokens": uint8(10)}}},
			middleware.Usage{InputTokens: 8, OutputTokens: 2, TotalTokens: 10, Reported: true},
		},
		"on the second choice only": {
			[]info{nil, {"PromptTokens": 1, "CompletionTokens": 1}},
			middleware.Usage{InputTokens: 1, OutputTokens: 1, TotalTokens: 2, Reported: true},
		},
		"the most that is believed": {
			[]info{{"InputTokens": int64(1 << 40), "OutputTokens": json.Number("1099511627776"), "CachedTokens": uint64(1 << 40),
				"ReasoningTokens": float64(1 << 40)}},
			middleware.Usage{
				InputTokens: 1 << 40, OutputTokens: 1 << 40, TotalTokens: 1 << 41, CachedTokens: 1 << 40, ReasoningTokens: 1 << 40, Reported: true,
			},
		},
		"one more, an int":   {[]info{{"PromptTokens": int64(1<<40 + 1), "CompletionTokens": 5}}, unknown},
		"one more, a uint":   {[]info{{"PromptTokens": uint64(1<<40 + 1), "CompletionTokens": 5}}, unknown},
		"one more, a float":  {[]info{{"PromptTokens": float64(1<<40 + 1), "CompletionTokens": 5}}, unknown},
		"one more, a number": {[]info{{"PromptTokens": json.Number("1099511627777"), "CompletionTokens": 5}}, unknown},
		"nothing of the cache": {
			[]info{{"InputTokens": 10, "OutputTokens": json.Number("4"), "CacheReadInputTokens": json.Number("0"), "ReasoningTokens": 0.0,
				"CacheCreationInputTokens": uint8(0)}},
			middleware.Usage{InputTokens: 10, OutputTokens: 4, TotalTokens: 14, Reported: true},
		},
		"no output":          {[]info{{"PromptTokens": 7, "CompletionTokens": 0}}, middleware.Usage{InputTokens: 7, TotalTokens: 7, Reported: true}},
		"a negative number":  {[]info{{"PromptTokens": json.Number("-1"), "CompletionTokens": 5}}, unknown},
		"a negative float":   {[]info{{"PromptTokens": -1.0, "CompletionTokens": 5}}, unknown},
		"none":               {[]info{{"other": 1}}, unknown},
		"all zero":           {[]info{{"PromptTokens": 0, "CompletionTokens": 0, "TotalTokens": 0}}, unknown},
		"negative":           {[]info{{"PromptTokens": -1, "CompletionTokens": 5}}, unknown},
		"not whole":          {[]info{{"PromptTokens": 1.5, "CompletionTokens": 5}}, unknown},
		"not a number":       {[]info{{"PromptTokens": math.NaN(), "CompletionTokens": 5}}, unknown},
		"infinite":           {[]info{{"PromptTokens": math.Inf(1), "CompletionTokens": 5}}, unknown},
		"absurd":             {[]info{{"PromptTokens": uint64(math.MaxUint64), "CompletionTokens": 5}}, unknown},
		"absurd as a string": {[]info{{"PromptTokens": json.Number("1e400"), "CompletionTokens": 5}}, unknown},
		"a string":           {[]info{{"PromptTokens": "8"}}, unknown},
		"nil":                {[]info{{"usage": nil}}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			res := &llms.ContentResponse{}
			for _, i := range tt.choices {
				res.Choices = append(res.Choices, &llms.ContentChoice{GenerationInfo: i})
			}
			if got := langchaingo.Usage(res); got == nil || *got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	// What googleai's client gives for a stream.
	cut := &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: "text", GenerationInfo: map[string]any{"PromptTokens": int32(9), "CompletionTokens": int32(0), "TotalTokens": int32(9)},
	}}}
	if got := langchaingo.Usage(cut); got == nil || *got != unknown {
		t.Errorf("text without output tokens: got %+v, want %+v", got, unknown)
	}
	if got := langchaingo.Usage(nil); got != nil {
		t.Errorf("no response: got %+v, want nil", got)
	}
}

// The clients of googleai and vertex give of a stream what its first chunk said, and
// that of googleai streams whatever has several messages.
func TestCountsOfAFirstChunkAreNotBelieved(t *testing.T) {
	googleai := map[string]any{"safety": nil, "PromptTokens": 9, "CompletionTokens": 1, "TotalTokens": 10}
	vertex := map[string]any{"safety": nil, "input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
	openai := map[string]any{"PromptTokens": 9, "CompletionTokens": 1, "TotalTokens": 10}
	ignore := llms.WithStreamingFunc(func(context.Context, []byte) error { return nil })
	for name, tt := range map[string]struct {
		info     map[string]any
		messages int
		options  []llms.CallOption
		believed bool
	}{
		"googleai, one message":      {googleai, 1, nil, true},
		"googleai, two messages":     {googleai, 2, nil, false},
		"googleai, streamed":         {googleai, 1, []llms.CallOption{ignore}, false},
		"vertex, two messages":       {vertex, 2, nil, true},
		"vertex, streamed":           {vertex, 1, []llms.CallOption{ignore}, false},
		"openai, two and a stream":   {openai, 2, []llms.CallOption{ignore}, true},
		"openai, two without stream": {openai, 2, nil, true},
	} {
		m := &script{answers: []*llms.ContentChoice{{Content: "yes", StopReason: "stop", GenerationInfo: tt.info}}, chunks: []string{"yes"}}
		seen := new(spy)
		messages := slices.Repeat([]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}, tt.messages)
		if _, err := langchaingo.Model(m, seen.intercept).GenerateContent(t.Context(), messages, tt.options...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := middleware.Usage{}
		if tt.believed {
			want = middleware.Usage{InputTokens: 9, OutputTokens: 1, TotalTokens: 10, Reported: true}
		}
		if got := seen.results[0].Usage; got == nil || *got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// A hollow is a client that gives back whatever it likes.
type hollow struct{ answer *llms.ContentResponse }

func (h hollow) GenerateContent(context.Context, []llms.MessageContent, ...llms.CallOption) (*llms.ContentResponse, error) {
	return h.answer, nil
}

func (h hollow) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, h, prompt, options...)
}

// A client's answer without choices, or with a choice that is nil, is looked at by
// code of ours that does not panic of it, streamed or not.
func TestHollowAnswersPanicNowhere(t *testing.T) {
	ignore := llms.WithStreamingFunc(func(context.Context, []byte) error { return nil })
	for name, answer := range map[string]*llms.ContentResponse{
		"none": nil, "no choices": {}, "a nil choice": {Choices: []*llms.ContentChoice{nil}},
	} {
		for mode, options := range map[string][]llms.CallOption{"whole": nil, "streamed": {ignore}} {
			seen := new(spy)
			messages := slices.Repeat([]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}, 2)
			got, err := langchaingo.Model(hollow{answer}, seen.intercept).GenerateContent(t.Context(), messages, options...)
			if err == nil && got != answer {
				t.Errorf("%s, %s: got %+v, want what the client gave", name, mode, got)
			}
			var panicked *middleware.PanicError
			if errors.As(err, &panicked) {
				t.Errorf("%s, %s: got the panic %v\n%s", name, mode, panicked.Value, panicked.Stack)
			}
			if got := seen.results[0].Usage; got != nil && got.Reported {
				t.Errorf("%s, %s: got %+v, want nothing that was reported", name, mode, got)
			}
		}
	}
}
