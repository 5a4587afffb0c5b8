package langchaingo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/safeconduct/internal/foreign"
)

// StrictSSE returns a transport that turns what langchaingo's client of openai
// overlooks in a streamed answer into an error of the stream, a [*StreamError]: the
// package says what, under "Strict streams". Give it to the client with
// openai.WithHTTPClient:
//
//	openai.New(openai.WithHTTPClient(&http.Client{Transport: langchaingo.StrictSSE(nil)}))
//
// If t is nil, http.DefaultTransport is used. The transport is as safe for concurrent
// use as t.
func StrictSSE(t http.RoundTripper) http.RoundTripper {
	if t == nil {
		t = http.DefaultTransport
	}
	return strictSSE{t}
}

// A StreamError reports that a streamed answer is not what it must be. It holds
// nothing of the answer.
type StreamError struct {
	Event  int    // from 1; of the last one where the stream ends too early
	Reason string // safe to show
}

// Error says which event is wrong and why.
func (e *StreamError) Error() string {
	return fmt.Sprintf("langchaingo: event %d of the stream: %s", e.Event, e.Reason)
}

type strictSSE struct{ next http.RoundTripper }

// RoundTrip asks the next transport, and reads the answer strictly if it is a
// stream.
func (t strictSSE) RoundTrip(req *http.Request) (*http.Response, error) {
	streamed := asksForStream(req)
	res, err := t.next.RoundTrip(req)
	if err == nil && res.StatusCode == http.StatusOK && (streamed || isStream(req, res)) {
		call := frameOf[modelCall](req.Context())
		if call != nil {
			call.whole.Store(false) // this stream is another one
		}
		res.Body, res.ContentLength = &strictBody{body: res.Body, lines: bufio.NewReader(res.Body), call: call}, -1
	}
	return res, err
}

// forChat reports whether a request is one for chat completions.
func forChat(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/chat/completions") }

// isStream reports whether an answer says that it is streamed: the body of a request
// cannot always be read again.
func isStream(req *http.Request, res *http.Response) bool {
	return forChat(req) && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
}

// asksForStream reports whether a request is one for a streamed answer.
func asksForStream(req *http.Request) bool {
	if req.GetBody == nil || !forChat(req) {
		return false
	}
	body, err := req.GetBody()
	if err != nil {
		return false
	}
	defer func() { _ = body.Close() }() // nothing is written
	var asked struct {
		Stream bool `json:"stream"`
	}
	return json.NewDecoder(body).Decode(&asked) == nil && asked.Stream
}

// maxLine bounds a line of a stream, in bytes.
const maxLine = 1 << 20

// A strictBody passes on the events of a stream once it has checked them.
type strictBody struct {
	body  io.ReadCloser
	lines *bufio.Reader
	call  *modelCall // whose stream it is; nil outside of a guarded model

	ready    []byte // has been checked, and not read yet
	err      error  // after that
	events   int
	calls    int  // tool calls that have begun
	ended    bool // the model has ended
	hasUsage bool // the usage has come
	done     bool // [DONE] has come
}

// Close closes the body of the answer.
func (b *strictBody) Close() error { return b.body.Close() }

// Read reads what has been checked.
func (b *strictBody) Read(p []byte) (int, error) {
	for len(b.ready) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		line, err := b.line()
		if err == nil {
			err = b.checkLine(line)
		}
		if err != nil {
			b.err = err
			continue
		}
		b.ready = line
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// line reads a line, with what ends it.
func (b *strictBody) line() ([]byte, error) {
	var line []byte
	for {
		part, err := b.lines.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, b.wrong("it is too long")
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case foreign.Is(err, bufio.ErrBufferFull):
		case foreign.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case foreign.Is(err, io.EOF) && b.done:
			return nil, io.EOF
		case foreign.Is(err, io.EOF) && b.ended && b.hasUsage:
			b.tellWhole() // some providers do not say that they are done
			return nil, io.EOF
		case foreign.Is(err, io.EOF):
			return nil, b.wrong("the stream ends before [DONE]")
		default:
			return nil, err
		}
	}
}

func (b *strictBody) wrong(reason string) error { return &StreamError{max(b.events, 1), reason} }

// checkLine checks a line.
func (b *strictBody) checkLine(line []byte) error {
	text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	name, value, _ := bytes.Cut(text, []byte(":"))
	switch {
	case b.done:
		return b.checkAfterDone(text)
	case bytes.IndexByte(text, '\r') >= 0:
		// It ends a line for others, and not for the client.
		return b.wrongNext("it holds a carriage return within a line")
	case len(name) == 0: // the end of an event, or a comment
		return nil
	case !isField(name):
		return b.wrongNext("it is no field of an event")
	case string(name) == "event" && string(bytes.TrimSpace(value)) == "error":
		return b.wrongNext("the provider reports an error")
	case string(name) != "data":
		return nil
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil // an event that says nothing
	}
	b.events++
	if string(value) == "[DONE]" {
		return b.checkDone()
	}
	var e streamEvent
	if err := json.Unmarshal(value, &e); err != nil {
		return b.wrong("it is not the JSON of a piece of an answer")
	}
	return b.checkEvent(&e)
}

// wrongNext returns what wrong does, of the event that begins here.
func (b *strictBody) wrongNext(reason string) error {
	b.events++
	return b.wrong(reason)
}

// isField reports whether a line that begins so is a field of a server-sent event.
// One that is not may be an event that everybody skips, such as one behind a byte
// order mark.
func isField(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// checkEvent checks what an event holds.
func (b *strictBody) checkEvent(e *streamEvent) error {
	b.hasUsage = b.hasUsage || e.Usage != nil
	if len(e.Error) > 0 && string(e.Error) != "null" {
		return b.wrong("the provider reports an error")
	}
	if len(e.Choices) > 1 {
		return b.wrong("it holds several choices")
	}
	for _, c := range e.Choices {
		if c.Index != 0 {
			return b.wrong("it is of another choice than the first")
		}
		said := c.Delta.Content != "" || c.Delta.ReasoningContent != "" || len(c.Delta.ToolCalls) > 0
		if b.ended && said {
			return b.wrong("the answer goes on after its end")
		}
		if c.Delta.Content != "" && len(c.Delta.ToolCalls) > 0 {
			return b.wrong("it holds text and a tool call, of which the client streams one")
		}
		if c.Delta.FunctionCall != nil {
			return b.wrong("it holds a function_call, which the client loses")
		}
		for _, call := range c.Delta.ToolCalls {
			if err := b.checkToolCall(call); err != nil {
				return err
			}
		}
		b.ended = b.ended || c.FinishReason != ""
	}
	return nil
}

// checkToolCall checks a piece of a tool call. The client takes a piece with arguments
// and no type for more of the call that came last, and any other for a new one.
func (b *strictBody) checkToolCall(c *streamToolCall) error {
	more := c != nil && c.Type == "" && c.Function.Arguments != ""
	switch {
	case c == nil || c.Index == nil:
		return b.wrong("a tool call has no index")
	case *c.Index == b.calls:
		if more || c.Function.Name == "" {
			return b.wrong("a tool call begins without its type or name")
		}
		b.calls++
	case *c.Index != b.calls-1:
		return b.wrong("a tool call has the index of none that goes on")
	case !more:
		return b.wrong("a tool call goes on with something else than arguments")
	}
	return nil
}

// checkDone checks what came together with [DONE] and follows it: only comments may.
// It does not wait for more: the client reads no further.
func (b *strictBody) checkDone() error {
	if !b.ended {
		return b.wrong("the stream is done before the answer is")
	}
	rest, _ := b.lines.Peek(b.lines.Buffered()) // no more than there is
	for line := range bytes.Lines(rest) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != ':' {
			return b.wrong("something follows [DONE]")
		}
	}
	b.done = true
	b.tellWhole()
	return nil
}

// checkAfterDone checks a line that follows [DONE], for a reader that reads on: the
// empty one that ends that event is the last.
func (b *strictBody) checkAfterDone(text []byte) error {
	switch {
	case len(text) == 0:
		b.err = io.EOF // after this line
	case text[0] != ':':
		return b.wrong("something follows [DONE]")
	}
	return nil
}

// tellWhole tells the guard of the model that the stream ended as it must.
func (b *strictBody) tellWhole() {
	if b.call != nil {
		b.call.whole.Store(true)
	}
}

// A streamEvent is what the client decodes an event into, member by member: where a
// value has another type, the client skips the event without a word. It does not look
// at Error and the Index of a tool call.
type streamEvent struct {
	ID      string  `json:"id"`
	Created float64 `json:"created"`
	Model   string  `json:"model"`
	Object  string  `json:"object"`
	Choices []struct {
		Index float64 `json:"index"`
		Delta struct {
			Role             string            `json:"role"`
			Content          string            `json:"content"`
			FunctionCall     *streamFunction   `json:"function_call"`
			ToolCalls        []*streamToolCall `json:"tool_calls"`
			ReasoningContent string            `json:"reasoning_content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	SystemFingerprint string          `json:"system_fingerprint"`
	Usage             *streamUsage    `json:"usage"`
	Error             json.RawMessage `json:"error"`
}

type streamToolCall struct {
	Index    *int           `json:"index"`
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Function streamFunction `json:"function"`
}

type streamFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type streamUsage struct {
	PromptTokens        int `json:"prompt_tokens"`
	CompletionTokens    int `json:"completion_tokens"`
	TotalTokens         int `json:"total_tokens"`
	PromptTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
		AudioTokens  int `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails struct {
		ReasoningTokens          int `json:"reasoning_tokens"`
		AudioTokens              int `json:"audio_tokens"`
		AcceptedPredictionTokens int `json:"accepted_prediction_tokens"`
		RejectedPredictionTokens int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
}
