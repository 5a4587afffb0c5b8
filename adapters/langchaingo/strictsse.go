package langchaingo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// StrictSSE returns a transport that turns what langchaingo's client of openai
// overlooks in a streamed answer into an error of the stream. Give it to the
// client with openai.WithHTTPClient:
//
//	openai.New(openai.WithHTTPClient(&http.Client{Transport: langchaingo.StrictSSE(nil)}))
//
// By itself that client takes a stream for whole that was cut, does not read what
// follows its last event, skips events that are no JSON or hold an error,
// mixes the text of several choices, and appends pieces of a tool call to whichever
// call came last. With StrictSSE each of these is a [*StreamError], of which the
// client passes on no event. What else an event holds is passed on byte by byte:
// members that the client does not know do no harm.
//
// It looks at answers to streamed requests for /chat/completions alone, which is
// how openai and those that are compatible with it are asked; of other requests it
// changes nothing. A stream is whole if it ends with [DONE] or, as some providers
// do not say that, if the model has ended and the usage has come. Each line of it
// may have 1 MiB.
//
// If t is nil, http.DefaultTransport is used. The transport is as safe for
// concurrent use as t.
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
	if err == nil && streamed && res.StatusCode == http.StatusOK {
		body := &strictBody{body: res.Body, lines: bufio.NewReader(res.Body)}
		res.Body, res.ContentLength = body, -1
	}
	return res, err
}

// asksForStream reports whether a request is one for a streamed answer.
func asksForStream(req *http.Request) bool {
	if req.GetBody == nil || !strings.HasSuffix(req.URL.Path, "/chat/completions") {
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

// A strictBody passes on the events of a stream after it has looked at them.
type strictBody struct {
	body  io.ReadCloser
	lines *bufio.Reader

	ready  []byte // has been looked at, and not read yet
	err    error  // after that
	events int
	calls  int  // tool calls that have begun
	over   bool // the model has ended
	used   bool // the usage has come
}

// Close closes the body of the answer.
func (b *strictBody) Close() error { return b.body.Close() }

// Read reads what has been looked at.
func (b *strictBody) Read(p []byte) (int, error) {
	for len(b.ready) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		line, err := b.line()
		if err == nil {
			err = b.look(line)
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
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case errors.Is(err, io.EOF) && b.over && b.used:
			return nil, io.EOF // some providers do not say that they are done
		case errors.Is(err, io.EOF):
			return nil, b.wrong("the stream ends before [DONE]")
		default:
			return nil, err
		}
	}
}

func (b *strictBody) wrong(reason string) error { return &StreamError{max(b.events, 1), reason} }

// look looks at a line.
func (b *strictBody) look(line []byte) error {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return nil
	}
	b.events++
	if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
		return b.end()
	}
	var e streamEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return b.wrong("it is not the JSON of a piece of an answer")
	}
	b.used = b.used || len(e.Usage) > 0 && string(e.Usage) != "null"
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
		said := c.Delta.Content != "" || c.Delta.Reasoning != "" || len(c.Delta.ToolCalls) > 0
		if b.over && said {
			return b.wrong("the answer goes on after its end")
		}
		if c.Delta.Content != "" && len(c.Delta.ToolCalls) > 0 {
			return b.wrong("it holds text and a tool call, of which the client streams one")
		}
		if c.Delta.FunctionCall != nil {
			return b.wrong("it holds a function_call, which the client loses")
		}
		for _, call := range c.Delta.ToolCalls {
			if err := b.toolCall(call); err != nil {
				return err
			}
		}
		b.over = b.over || c.FinishReason != ""
	}
	return nil
}

// toolCall looks at a piece of a tool call: the client takes what has arguments and
// no type for more of the call that came last, and anything else for another one.
func (b *strictBody) toolCall(c *streamToolCall) error {
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

// end looks at what follows [DONE], which is nothing.
func (b *strictBody) end() error {
	if !b.over {
		return b.wrong("the stream is done before the answer is")
	}
	for {
		line, err := b.lines.ReadSlice('\n')
		if len(bytes.TrimSpace(line)) > 0 && line[0] != ':' {
			return b.wrong("something follows [DONE]")
		}
		switch {
		case errors.Is(err, io.EOF):
			b.err = io.EOF // after this line
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// A streamEvent is what of an event the client makes use of.
type streamEvent struct {
	Error   json.RawMessage `json:"error"`
	Usage   json.RawMessage `json:"usage"`
	Choices []struct {
		Index int `json:"index"`
		Delta struct {
			Content      string            `json:"content"`
			Reasoning    string            `json:"reasoning_content"`
			FunctionCall *json.RawMessage  `json:"function_call"`
			ToolCalls    []*streamToolCall `json:"tool_calls"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
}

type streamToolCall struct {
	Index    *int   `json:"index"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}
