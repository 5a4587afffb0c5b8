package langchaingo

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// usageOf reads what a response says of its own cost. Clients repeat the usage on
// every choice, so that one choice counts, never the sum. In that of bedrock some
// models count each choice by itself, and some repeat the whole, and nothing says
// which: there the outputs are added up, which is never too little.
//
// A Usage is not Reported where numbers are missing or cannot be (negative, not
// whole, too large, no output where there is text). A response of nil has no Usage.
func usageOf(res *llms.ContentResponse) *middleware.Usage {
	if res == nil {
		return nil
	}
	for _, c := range res.Choices {
		if c == nil || c.GenerationInfo == nil {
			continue
		}
		if u, ok := infoUsage(c.GenerationInfo); ok {
			if u.OutputTokens == 0 && saidAnything(res) {
				// googleai's client gives the counts of a stream's first
				// chunk, where nothing is counted yet.
				return &middleware.Usage{}
			}
			if ofBedrock(c.GenerationInfo) {
				return addOutputs(res.Choices)
			}
			return u
		}
	}
	return &middleware.Usage{}
}

// ofBedrock reports whether a choice's info comes from bedrock's client, which alone
// has these two keys and no total.
func ofBedrock(info map[string]any) bool {
	_, in := info["input_tokens"]
	_, out := info["output_tokens"]
	_, total := info["total_tokens"]
	return in && out && !total
}

// addOutputs returns the usage of choices that are counted each by itself.
func addOutputs(choices []*llms.ContentChoice) *middleware.Usage {
	var sum middleware.Usage
	for _, c := range choices {
		if c == nil {
			continue
		}
		u, ok := infoUsage(c.GenerationInfo)
		if !ok || !u.Reported || u.OutputTokens == 0 && c.Content != "" {
			return &middleware.Usage{}
		}
		u.OutputTokens += sum.OutputTokens
		u.InputTokens = max(u.InputTokens, sum.InputTokens)
		u.TotalTokens = u.InputTokens + u.OutputTokens
		sum = *u
	}
	return &sum
}

// firstChunk reports whether the counts in res are those of a stream's first
// chunk, where the input is an estimate and the output has hardly begun: the
// clients of googleai and vertex keep no others. That of googleai streams every
// request with several messages, asked to or not.
func firstChunk(res *llms.ContentResponse, messages int, streams bool) bool {
	if res == nil || len(res.Choices) == 0 || res.Choices[0] == nil {
		return false
	}
	_, google := res.Choices[0].GenerationInfo["safety"]
	_, googleai := res.Choices[0].GenerationInfo["PromptTokens"] // vertex has input_tokens alone
	return google && (streams || googleai && messages > 1)
}

// saidAnything reports whether any choice holds something that was generated.
func saidAnything(res *llms.ContentResponse) bool {
	return slices.ContainsFunc(res.Choices, func(c *llms.ContentChoice) bool {
		return c != nil && (c.Content != "" || c.ReasoningContent != "" || len(c.ToolCalls) > 0 || c.FuncCall != nil)
	})
}

// infoUsage reads the usage of one choice and reports whether there is one. Each
// provider's client in langchaingo spells it in its own way:
//
//	openai, ollama, maritaca   PromptTokens, CompletionTokens, TotalTokens
//	googleai                   the same, and input_tokens, output_tokens, total_tokens
//	vertex                     input_tokens, output_tokens, total_tokens
//	anthropic                  InputTokens, OutputTokens, Cache...InputTokens
//	bedrock                    input_tokens, output_tokens
//	mistral                    a struct or map under "usage"
func infoUsage(info map[string]any) (*middleware.Usage, bool) {
	if nested, ok := info["usage"]; ok {
		info = fieldsByName(nested)
	}
	r := infoReader{info: info}
	in, hasIn := r.first("PromptTokens", "InputTokens", "input_tokens", "prompt_tokens")
	out, hasOut := r.first("CompletionTokens", "OutputTokens", "output_tokens", "completion_tokens")
	total, hasTotal := r.first("TotalTokens", "total_tokens")
	cached, _ := r.first("PromptCachedTokens", "CachedTokens", "CacheReadInputTokens")
	reasoning, _ := r.first("ReasoningTokens", "CompletionReasoningTokens", "ThinkingTokens")
	written, hasWritten := r.first("CacheCreationInputTokens")
	if !hasIn && !hasOut && !hasTotal {
		return nil, false
	}
	if r.bad || in+out+total == 0 {
		// A prompt is never free: a client fills in zeros where a stream
		// ended before the provider said what it cost.
		return &middleware.Usage{}, true
	}
	if hasWritten && !hasTotal {
		// That is anthropic, where InputTokens leaves out what went through
		// the cache.
		in += cached + written
	}
	return &middleware.Usage{
		InputTokens: in, OutputTokens: out, TotalTokens: max(total, in+out),
		CachedTokens: cached, CacheWriteTokens: written, ReasoningTokens: reasoning, Reported: true,
	}, true
}

// A infoReader reads numbers of any type out of a choice's info.
type infoReader struct {
	info map[string]any
	bad  bool // a number that cannot be a count
}

// first returns the first of the keys that is there, preferring one that is not
// zero.
func (r *infoReader) first(keys ...string) (n int64, ok bool) {
	for _, k := range keys {
		v, has := r.info[k]
		if !has {
			continue
		}
		got, valid := tokenCount(v)
		if !valid {
			r.bad = true
			continue
		}
		ok = true
		if n == 0 {
			n = got
		}
	}
	return n, ok
}

// maxTokens bounds what is believed of one request: well above any context
// window, and far from overflowing a sum.
const maxTokens = 1 << 40

// tokenCount returns v as a number of tokens, if it can be one.
func tokenCount(v any) (int64, bool) {
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		return i, err == nil && i >= 0 && i <= maxTokens
	}
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return r.Int(), r.Int() >= 0 && r.Int() <= maxTokens
	case r.CanUint():
		return int64(r.Uint() & math.MaxInt64), r.Uint() <= maxTokens
	case r.CanFloat():
		f := r.Float()
		return int64(f), f == math.Trunc(f) && f >= 0 && f <= maxTokens
	}
	return 0, false
}

// fieldsByName returns the exported fields of a struct, or a map, by name.
func fieldsByName(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		r = r.Elem()
	}
	if r.Kind() != reflect.Struct {
		return nil
	}
	m := make(map[string]any, r.NumField())
	for i := range r.NumField() {
		if f := r.Type().Field(i); f.IsExported() {
			m[f.Name] = r.Field(i).Interface()
		}
	}
	return m
}
