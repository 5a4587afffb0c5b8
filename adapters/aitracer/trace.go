package aitracer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Trace is one model call, or one run of a workflow.
type Trace struct {
	Workflow string // required; the vendor's actionName
	Model    string

	// InputData and OutputData are what went in and came out, the vendor's
	// prompt and response: a string as it is, anything else as the text of its
	// JSON, and nothing for nil. The Client's Redact gets that text.
	InputData, OutputData any

	Metrics Metrics

	// Status is "completed" if it is empty, the only one that the vendor
	// documents.
	Status string

	// RequestID is by what the vendor can tell a trace that is posted again
	// from another. If it is empty, it is made of all that is posted: two
	// traces that are equal in everything have the same one.
	RequestID string
}

// Metrics are what a call took. Those that are zero or negative are not known,
// and not posted.
type Metrics struct {
	PromptTokens, CompletionTokens int64

	// TotalTokens is the sum of the two if it is zero.
	TotalTokens int64

	Latency      time.Duration // posted in whole milliseconds
	CostMicroUSD int64         // an estimate, in millionths of a dollar
	FinishReason string
}

// A traceBody is what the vendor documents for /api/traces, in its order.
type traceBody struct {
	ActionName  string       `json:"actionName"`
	Environment string       `json:"environment"`
	Status      string       `json:"status"`
	RequestID   string       `json:"requestId"`
	Model       string       `json:"model,omitempty"`
	Prompt      *string      `json:"prompt,omitempty"`
	Response    *string      `json:"response,omitempty"`
	Metrics     *metricsBody `json:"metrics,omitempty"`
}

type metricsBody struct {
	PromptTokens     int64       `json:"promptTokens,omitempty"`
	CompletionTokens int64       `json:"completionTokens,omitempty"`
	TotalTokens      int64       `json:"totalTokens,omitempty"`
	LatencyMs        *int64      `json:"latencyMs,omitempty"`
	EstimatedCostUSD json.Number `json:"estimatedCostUsd,omitempty"`
	FinishReason     string      `json:"finishReason,omitempty"`
}

// body returns the metrics as they are posted, nil where nothing is known.
func (m Metrics) body() *metricsBody {
	b := metricsBody{
		PromptTokens: max(m.PromptTokens, 0), CompletionTokens: max(m.CompletionTokens, 0), TotalTokens: max(m.TotalTokens, 0),
		FinishReason: m.FinishReason,
	}
	if b.TotalTokens == 0 {
		if b.TotalTokens = b.PromptTokens + b.CompletionTokens; b.TotalTokens < 0 {
			b.TotalTokens = math.MaxInt64
		}
	}
	if m.Latency > 0 {
		ms := m.Latency.Milliseconds()
		b.LatencyMs = &ms
	}
	if m.CostMicroUSD > 0 {
		b.EstimatedCostUSD = decimal(m.CostMicroUSD, 6)
	}
	if b == (metricsBody{}) {
		return nil
	}
	return &b
}

// decimal returns n / 10^places, exactly. n is not negative.
func decimal(n int64, places int) json.Number {
	digits := strconv.FormatInt(n, 10)
	if missing := places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, fraction := digits[:len(digits)-places], strings.TrimRight(digits[len(digits)-places:], "0")
	if fraction == "" {
		return json.Number(whole)
	}
	return json.Number(whole + "." + fraction)
}

// Record posts a trace, again and again where that may help, and returns nil
// once the vendor has taken it. Otherwise the error is an [*Error] of what the
// last attempt came to, which wraps [ErrOpen] if the breaker let none be made and
// the error of ctx if that ended, or says what is wrong with the trace. It never
// holds contents.
func (c *Client) Record(ctx context.Context, t Trace) error {
	body, err := c.traceBody(t)
	if err != nil {
		return fmt.Errorf("aitracer: trace: %w", err)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return &Error{Path: pathTraces, Err: ctx.Err()}
	}
	err = c.line.Do(ctx, func(ctx context.Context) error {
		_, err := c.post(ctx, pathTraces, body)
		return err
	})
	if _, ok := errors.AsType[*Error](err); err != nil && !ok {
		err = &Error{Path: pathTraces, Err: err}
	}
	return err
}

// traceBody makes the body of a trace. It runs code of the user's, of which a panic
// becomes an error.
func (c *Client) traceBody(t Trace) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			body, err = nil, fmt.Errorf("a %T was panicked with while its body was made", v)
		}
	}()
	if t.Workflow == "" {
		return nil, errors.New("no Workflow")
	}
	b := traceBody{
		ActionName: t.Workflow, Environment: c.environment, Status: t.Status, RequestID: t.RequestID,
		Model: t.Model, Metrics: t.Metrics.body(),
	}
	if b.Status == "" {
		b.Status = statusCompleted
	}
	if b.Prompt, err = c.text("InputData", t.InputData); err != nil {
		return nil, err
	}
	if b.Response, err = c.text("OutputData", t.OutputData); err != nil {
		return nil, err
	}
	if body, err = marshal(b); err != nil || b.RequestID != "" {
		return body, err
	}
	sum := sha256.Sum256(body)
	b.RequestID = "req_" + hex.EncodeToString(sum[:16])
	return marshal(b)
}

// text returns a content as it is posted.
func (c *Client) text(name string, v any) (*string, error) {
	if v == nil {
		return nil, nil
	}
	s, ok := v.(string)
	if !ok {
		b, err := marshal(v)
		if err != nil {
			return nil, fmt.Errorf("%s is a %T, which JSON cannot hold", name, v)
		}
		s = string(b)
	}
	if c.redact != nil {
		s = c.redact(s)
	}
	return &s, nil
}

// marshal returns the JSON of v without escapes that are for web pages.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// A BatchError says which traces of a batch were not recorded, and why.
type BatchError struct {
	Errs []error // one for each trace, in their order; nil for those that were
}

// Error says how many, and names the first.
func (e *BatchError) Error() string {
	first := slices.IndexFunc(e.Errs, func(err error) bool { return err != nil })
	if first < 0 {
		return "aitracer: no trace failed"
	}
	return fmt.Sprintf("aitracer: %d of %d traces were not recorded; number %d: %v",
		len(e.Unwrap()), len(e.Errs), first, e.Errs[first])
}

// Unwrap returns the errors of the traces that were not recorded.
func (e *BatchError) Unwrap() []error {
	return slices.DeleteFunc(slices.Clone(e.Errs), func(err error) bool { return err == nil })
}

// RecordBatch records each of the traces as [Client.Record] does, up to concurrency
// of them at a time: the vendor documents no endpoint for batches. If concurrency is
// below 1 or above that of the [Config], that of the Config is used. It returns when
// all are done, and nil if all were recorded; otherwise a [*BatchError].
func (c *Client) RecordBatch(ctx context.Context, traces []Trace, concurrency int) error {
	if concurrency < 1 || concurrency > c.concurrency {
		concurrency = c.concurrency
	}
	errs := make([]error, len(traces))
	places := func(yield func(int) bool) {
		for i := range traces {
			if !yield(i) {
				return
			}
		}
	}
	parallel(places, concurrency, func(i int) { errs[i] = c.Record(ctx, traces[i]) })
	e := &BatchError{Errs: errs}
	if len(e.Unwrap()) == 0 {
		return nil
	}
	return e
}

// parallel calls do with each value, in order and up to concurrency at a time, and
// returns when all calls have returned.
func parallel[T any](all iter.Seq[T], concurrency int, do func(T)) {
	slots := make(chan struct{}, concurrency)
	var calls sync.WaitGroup
	for v := range all {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			do(v)
		})
	}
	calls.Wait()
}
