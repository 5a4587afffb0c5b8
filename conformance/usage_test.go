package conformance_test

import (
	"bytes"
	"encoding/json"

	"example.com/safeconduct/middleware"
)

// The readers of recorded usages. They read the bytes that the provider sent and
// know nothing of langchaingo.

// events returns the data of the server-sent events in body, or body itself if
// there are none.
func events(body []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:")); ok {
			all = append(all, bytes.TrimSpace(data))
		}
	}
	if all == nil {
		return [][]byte{body}
	}
	return all
}

// openaiUsage reads the usage of a chat completion; in a stream the last counts.
func openaiUsage(body []byte) (u middleware.Usage, ok bool) {
	for _, data := range events(body) {
		var chunk struct {
			Usage *struct {
				PromptTokens     int64 `json:"prompt_tokens"`
				CompletionTokens int64 `json:"completion_tokens"`
				TotalTokens      int64 `json:"total_tokens"`
				Prompt           struct {
					CachedTokens int64 `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
				Completion struct {
					ReasoningTokens int64 `json:"reasoning_tokens"`
				} `json:"completion_tokens_details"`
			}
		}
		if json.Unmarshal(data, &chunk) == nil && chunk.Usage != nil {
			c := chunk.Usage
			u, ok = middleware.Usage{
				InputTokens: c.PromptTokens, OutputTokens: c.CompletionTokens, TotalTokens: c.TotalTokens,
				CachedTokens: c.Prompt.CachedTokens, ReasoningTokens: c.Completion.ReasoningTokens,
			}, true
		}
	}
	return u, ok
}

// anthropicUsage reads the usage of a message. A stream has one when the message
// starts, and what it became in a delta. There is no total: it is the sum.
func anthropicUsage(body []byte) (u middleware.Usage, ok bool) {
	var usage struct {
		InputTokens  int64 `json:"input_tokens"`
		OutputTokens int64 `json:"output_tokens"`
		Created      int64 `json:"cache_creation_input_tokens"`
		Read         int64 `json:"cache_read_input_tokens"`
	}
	for _, data := range events(body) {
		var event struct {
			Usage   json.RawMessage
			Message struct{ Usage json.RawMessage }
		}
		if json.Unmarshal(data, &event) != nil {
			continue
		}
		for _, part := range []json.RawMessage{event.Message.Usage, event.Usage} {
			if part != nil && json.Unmarshal(part, &usage) == nil {
				ok = true
			}
		}
	}
	return middleware.Usage{
		InputTokens: usage.InputTokens, OutputTokens: usage.OutputTokens, CachedTokens: usage.Read,
		TotalTokens: usage.InputTokens + usage.OutputTokens + usage.Created + usage.Read,
	}, ok
}

// googleUsage reads the usage of a response, or the last one in an array of
// them, which is a stream.
func googleUsage(body []byte) (u middleware.Usage, ok bool) {
	var chunks []json.RawMessage
	if json.Unmarshal(body, &chunks) != nil {
		chunks = []json.RawMessage{body}
	}
	for _, data := range chunks {
		var chunk struct {
			UsageMetadata *struct {
				PromptTokenCount, CandidatesTokenCount, TotalTokenCount, CachedContentTokenCount int64
			}
		}
		if json.Unmarshal(data, &chunk) == nil && chunk.UsageMetadata != nil {
			m := chunk.UsageMetadata
			u, ok = middleware.Usage{
				InputTokens: m.PromptTokenCount, OutputTokens: m.CandidatesTokenCount,
				TotalTokens: m.TotalTokenCount, CachedTokens: m.CachedContentTokenCount,
			}, true
		}
	}
	return u, ok
}

// ollamaUsage reads the usage on the last line of a response. There is no total:
// it is the sum.
func ollamaUsage(body []byte) (u middleware.Usage, ok bool) {
	for line := range bytes.Lines(body) {
		var chunk struct {
			Done            bool
			PromptEvalCount int64 `json:"prompt_eval_count"`
			EvalCount       int64 `json:"eval_count"`
		}
		if json.Unmarshal(line, &chunk) == nil && chunk.Done {
			u, ok = middleware.Usage{
				InputTokens: chunk.PromptEvalCount, OutputTokens: chunk.EvalCount,
				TotalTokens: chunk.PromptEvalCount + chunk.EvalCount,
			}, true
		}
	}
	return u, ok
}
