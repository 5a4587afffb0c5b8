package langchaingo_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

const (
	finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	usage5 = `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
)

func toolDelta(rest string) string {
	return `{"choices":[{"index":0,"delta":{"tool_calls":[{` + rest + `}]}}]}`
}

// sse makes a stream of events.
func sse(events ...string) string {
	return "data: " + strings.Join(events, "\n\ndata: ") + "\n\n"
}

// serve returns the client of openai for a server that answers with a body.
func serve(t *testing.T, body string, strict bool) llms.Model {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	client := srv.Client()
	if strict {
		client.Transport = langchaingo.StrictSSE(client.Transport)
	}
	m, err := openai.New(openai.WithBaseURL(srv.URL), openai.WithToken("t"), openai.WithModel("m"), openai.WithHTTPClient(client))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// askStream asks a model and returns what it answers and what it streams.
func askStream(t *testing.T, m llms.Model) (chunks []string, res *llms.ContentResponse, err error) {
	t.Helper()
	res, err = m.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}, calcTool,
		llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			chunks = append(chunks, string(chunk))
			return nil
		}))
	return chunks, res, err
}

// keep is an output gate that lets everything out.
var keep = middleware.After("keep", func(context.Context, middleware.Call, middleware.Result) error { return nil })

// TestFault47 streams what no provider should, to the real client of openai, with
// and without StrictSSE: with it each is an error of which the caller gets
// nothing. Without it the client calls it a success, but for what is said; such a
// success is what is named, so that an upstream change shows.
func TestFault47(t *testing.T) {
	first := `"index":0,"id":"c1","type":"function","function":{"name":"calc","arguments":""}`
	for _, tt := range []struct {
		name   string
		body   string
		reason string // of the StreamError
		loose  error  // without StrictSSE; nil for a success
	}{
		{"cut in the middle", sse(delta("The "), delta("answer")), "event 2 of the stream: the stream ends before [DONE]", langchaingo.ErrStreamCut},
		{"cut in an event", sse(delta("The ")) + `data: {"choices":[{"ind`, "event 2 of the stream: it is not the JSON", langchaingo.ErrStreamCut},
		{"cut before the usage", sse(delta("The "), finish), "event 2 of the stream: the stream ends before [DONE]", nil},
		{"nothing at all", "", "event 1 of the stream: the stream ends before [DONE]", langchaingo.ErrStreamCut},
		{"done before the answer is", sse(delta("The "), "[DONE]"), "event 2 of the stream: the stream is done before", langchaingo.ErrStreamCut},
		{"data after the end", sse(delta("Yes"), finish, usage5, "[DONE]", delta(" and no")), "event 4 of the stream: something follows [DONE]", nil},
		{"a second end", sse(delta("Yes"), finish, usage5, "[DONE]", "[DONE]"), "event 4 of the stream: something follows [DONE]", nil},
		{"text after the answer's end", sse(delta("Yes"), finish, delta(" and no"), usage5, "[DONE]"),
			"event 3 of the stream: the answer goes on after its end", nil},
		{"malformed JSON", sse(delta("Do "), `{"choices":[{"index":0,"delta":{"content":"not "}`, delta("pay"), finish, usage5, "[DONE]"),
			"event 2 of the stream: it is not the JSON", nil},
		{"no JSON", sse(delta("Do "), `not `, delta("pay"), finish, usage5, "[DONE]"), "event 2 of the stream: it is not the JSON", nil},
		{"more JSON than one", sse(delta("Do ")+delta("not "), delta("pay"), finish, usage5, "[DONE]"), "event 1 of the stream: it is not the JSON", nil},
		{"an error as an event", sse(delta("Do "), `{"error":{"message":"overloaded","code":529}}`, finish, usage5, "[DONE]"),
			"event 2 of the stream: the provider reports an error", nil},
		{"a second choice", sse(delta("Do "), `{"choices":[{"index":1,"delta":{"content":"Don't "}}]}`, delta("pay"), finish, usage5, "[DONE]"),
			"event 2 of the stream: it is of another choice", nil},
		{"two choices at once",
			sse(`{"choices":[{"index":0,"delta":{"content":"Do"}},{"index":1,"delta":{"content":"Don't"}}]}`, finish, usage5, "[DONE]"),
			"event 1 of the stream: it holds several choices", nil},
		{"a tool call without an index",
			sse(toolDelta(`"id":"c1","type":"function","function":{"name":"calc","arguments":""}`), finish, usage5, "[DONE]"),
			"event 1 of the stream: a tool call has no index", nil},
		{"arguments that are no string", sse(toolDelta(first), toolDelta(`"index":0,"function":{"arguments":{"x":1}}`), finish, usage5, "[DONE]"),
			"event 2 of the stream: it is not the JSON", nil},
		{"arguments of a call before",
			sse(toolDelta(first), toolDelta(`"index":1,"id":"c2","type":"function","function":{"name":"calc","arguments":""}`),
				toolDelta(`"index":0,"function":{"arguments":"{}"}`), finish, usage5, "[DONE]"),
			"event 3 of the stream: a tool call has the index of none that goes on", nil},
		{"arguments of no call", sse(toolDelta(`"index":0,"function":{"arguments":"{}"}`), finish, usage5, "[DONE]"),
			"event 1 of the stream: a tool call begins without its type or name", errors.New("a piece of a tool call was streamed")},
		{"a type that is repeated",
			sse(toolDelta(first), toolDelta(`"index":0,"type":"function","function":{"arguments":"{}"}`), finish, usage5, "[DONE]"),
			"event 2 of the stream: a tool call goes on with something else", nil},
		{"an index that is left out",
			sse(toolDelta(first), toolDelta(`"index":2,"id":"c3","type":"function","function":{"name":"calc","arguments":""}`), finish, usage5,
				"[DONE]"), "event 2 of the stream: a tool call has the index of none", nil},
		{"a tool call of null", sse(`{"choices":[{"index":0,"delta":{"tool_calls":[null]}}]}`, finish, usage5, "[DONE]"),
			"event 1 of the stream: a tool call has no index", new(middleware.PanicError)},
		{"text and a tool call at once",
			sse(`{"choices":[{"index":0,"delta":{"content":"x","tool_calls":[{`+first+`}]}}]}`, finish, usage5, "[DONE]"),
			"event 1 of the stream: it holds text and a tool call", nil},
		{"a function_call", sse(`{"choices":[{"index":0,"delta":{"function_call":{"name":"calc","arguments":"{}"}}}]}`, finish, usage5, "[DONE]"),
			"event 1 of the stream: it holds a function_call", nil},
		{"a byte order mark", "\ufeff" + sse(delta("not "), delta("pay"), finish, usage5, "[DONE]"), "event 1 of the stream: it is no field", nil},
		{"a space before an event", sse(delta("Do "), finish) + " " + sse(delta("not "), usage5, "[DONE]"), "event 3 of the stream: it is no field", nil},
		{"a field in capitals", sse(delta("Do ")) + "D" + sse(delta("not "), finish, usage5, "[DONE]")[1:], "event 2 of the stream: it is no field", nil},
		{"an error that is no event", sse(delta("Do ")) + `{"error":{"message":"overloaded"}}` + "\n" + sse(finish, usage5, "[DONE]"),
			"event 2 of the stream: it is no field", nil},
		{"an event of the kind error", sse(delta("Do ")) + "event: error\n" + sse(`{"message":"overloaded"}`, finish, usage5, "[DONE]"),
			"event 2 of the stream: the provider reports an error", nil},
		{"an event within a comment", sse(delta("Do ")) + ": ping\r" + sse(delta("not "), finish, usage5, "[DONE]"),
			"event 2 of the stream: it holds a carriage return", nil},
		{"a line without end", "data: " + strings.Repeat("x", 2<<20), "event 1 of the stream: it is too long", errors.New("too long")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chunks, res, err := askStream(t, langchaingo.Model(serve(t, tt.body, true), keep))
			var wrong *langchaingo.StreamError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.reason) || res != nil {
				t.Errorf("got %+v, %v, want a StreamError: %s", res, err, tt.reason)
			}
			if chunks != nil {
				t.Errorf("the caller got %q, want nothing", chunks)
			}
			chunks, _, err = askStream(t, langchaingo.Model(serve(t, tt.body, false), keep))
			var panicked *middleware.PanicError
			switch {
			case tt.loose == nil:
				if err != nil {
					t.Errorf("without StrictSSE: got %v; the client found it", err)
				}
			case errors.As(tt.loose, &panicked):
				if !errors.As(err, &panicked) || chunks != nil {
					t.Errorf("without StrictSSE: got %v, %q, want a panic of the client", err, chunks)
				}
			case err == nil || !errors.Is(err, tt.loose) && !strings.Contains(err.Error(), tt.loose.Error()) || chunks != nil:
				t.Errorf("without StrictSSE: got %v, %q, want %v and nothing released", err, chunks, tt.loose)
			}
		})
	}
}

// TestFault47Harmless streams what is odd and does no harm: it comes through
// StrictSSE byte by byte.
func TestFault47Harmless(t *testing.T) {
	for name, body := range map[string]string{
		"an unknown member": sse(`{"choices":[{"index":0,"delta":{"content":"Yes","mood":"good"},"odds":[1]}],"extra":{"a":null}}`, finish,
			usage5, "[DONE]"),
		"comments and other fields": ": ping\n\nevent: message\nid: 7\n" + sse(delta("Yes"), finish, usage5, "[DONE]") + ": bye\n",
		"carriage returns":          strings.ReplaceAll(sse(delta("Yes"), finish, usage5, "[DONE]"), "\n", "\r\n"),
		"no [DONE], but all else":   sse(delta("Yes"), finish, usage5),
		"no space and no last line": strings.TrimRight(strings.ReplaceAll(sse(delta("Yes"), finish, usage5, "[DONE]"), "data: ", "data:"), "\n"),
		"an empty piece at the end": sse(delta("Yes"), finish,
			`{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`, usage5, "[DONE]"),
		"an event that is empty":  "data:\n\n" + sse(delta("Yes"), "", finish, usage5, "[DONE]"),
		"a field without a value": "data\nid\nretry\nx-some_field1: 7\n" + sse(delta("Yes"), finish, usage5, "[DONE]"),
		"an annotation at the end": sse(delta("Yes"), finish,
			`{"choices":[{"index":0,"delta":{},"finish_reason":null,"content_filter_offsets":{"check_offset":1}}],"usage":null}`, "[DONE]"),
		"Azure's first event": sse(`{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}`,
			delta("Yes"), finish, usage5, "[DONE]"),
		"Groq's usage": sse(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"r"}}`, delta("Yes"), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"queue_time":0.1}},"usage":{"queue_time":0.1,"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_time":0.01}}`, "[DONE]"),
		"OpenRouter's comments": ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" +
			sse(`{"id":"g","provider":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"Yes"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}`, finish, usage5, "[DONE]"),
		"DeepSeek's reasoning": ": keep-alive\n\n" +
			sse(`{"created":1.7e9,"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"Hm"},"logprobs":null,"finish_reason":null}],"usage":null}`, delta("Yes"), finish, usage5, "[DONE]"),
		"Perplexity's repetitions": strings.ReplaceAll(sse(`{"id":"p","citations":["u"],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4},"choices":[{"index":0,"finish_reason":null,"message":{"role":"assistant","content":"Yes"},"delta":{"role":"assistant","content":"Yes"}}]}`, `{"id":"p","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Yes"},"delta":{"role":"assistant","content":""}}]}`), "\n", "\r\n"),
		"vLLM's pieces of null":    sse(`{"id":"v","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null,"stop_reason":null}],"usage":null}`, delta("Yes"), `{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","stop_reason":null}]}`, usage5, "[DONE]"),
		"null for nothing":         sse(`{"choices":[{"index":0,"delta":{"content":"Yes","tool_calls":null,"function_call":null},"finish_reason":null}],"usage":null,"error":null}`, finish, usage5, "[DONE]"),
		"two tool calls": sse(toolDelta(`"index":0,"id":"c1","type":"function","function":{"name":"calc","arguments":""}`),
			toolDelta(`"index":0,"function":{"arguments":"{}"}`),
			toolDelta(`"index":1,"id":"c2","type":"function","function":{"name":"calc","arguments":"{\"x\":"}`),
			toolDelta(`"index":1,"function":{"arguments":"1}"}`), finish, usage5, "[DONE]"),
	} {
		t.Run(name, func(t *testing.T) {
			want, wantRes, err := askStream(t, serve(t, body, false))
			if err != nil {
				t.Fatal(err)
			}
			got, res, err := askStream(t, langchaingo.Model(serve(t, body, true), keep))
			if err != nil || !slices.Equal(got, want) || !reflect.DeepEqual(res, wantRes) {
				t.Errorf("got %q, %+v, %v, want %q, %+v", got, res, err, want, wantRes)
			}
		})
	}
}

// StrictSSE leaves alone what is no stream for chat completions.
func TestStrictSSEOfOtherAnswers(t *testing.T) {
	for _, tt := range []struct{ path, request, answer string }{
		{"/v1/chat/completions", `{"stream":false}`, `{"choices":[]}`},
		{"/v1/chat/completions", `not JSON`, `data: x`},
		{"/v1/messages", `{"stream":true}`, "event: message_stop\ndata: {}\n\n"},
		{"/v1/embeddings", `{}`, `{"data":[]}`},
	} {
		if got, err := post(answers(tt.answer), tt.path, tt.request); err != nil || got != tt.answer {
			t.Errorf("%s %s: got %q, %v, want %q", tt.path, tt.request, got, err, tt.answer)
		}
	}
	if _, err := post(failing{}, "/chat/completions", `{"stream":true}`); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
}

// An answers is a transport that gives one answer.
type answers string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	_, _ = rec.WriteString(string(a))
	return rec.Result(), nil
}

var errDown = errors.New("down")

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errDown }

// post sends a request through StrictSSE, and reads the answer byte by byte.
func post(t http.RoundTripper, path, body string) (string, error) {
	client := &http.Client{Transport: langchaingo.StrictSSE(t)}
	res, err := client.Post("http://example.com"+path, "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(iotest.OneByteReader(res.Body))
	return string(got), errors.Join(err, res.Body.Close())
}

// An open transport answers with a body that its server never ends.
type open string

func (o open) RoundTrip(*http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	go func() { _, _ = io.WriteString(w, string(o)) }() // ends when the body is read or closed
	return &http.Response{StatusCode: http.StatusOK, Body: r}, nil
}

// A stream ends with [DONE] and the empty line after it, whenever the server hangs
// up: all of that event is passed on.
func TestStrictSSEEndsWithDone(t *testing.T) {
	want := sse(delta("Yes"), finish, "[DONE]")
	for name, body := range map[string]string{
		"at once":           want,
		"with comments":     want + ": bye\n",
		"carriage returns":  strings.ReplaceAll(want, "\n", "\r\n"),
		"without last line": strings.TrimSuffix(want, "\n"),
	} {
		synctest.Test(t, func(t *testing.T) {
			want := strings.TrimSuffix(body, ": bye\n")
			var o http.RoundTripper = open(body)
			if name == "without last line" {
				o = answers(body)
			}
			if got, err := post(o, "/chat/completions", `{"stream":true}`); err != nil || got != want {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		})
	}
}

// A request whose body cannot be read again is judged by what the answer says.
func TestStrictSSEOfARequestThatCannotBeReadAgain(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, "http://example.com/v1/chat/completions", strings.NewReader(`{"stream":true}`))
	res, err := langchaingo.StrictSSE(typed(sse(delta("cut")))).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err = io.ReadAll(res.Body); !errors.As(err, new(*langchaingo.StreamError)) {
		t.Errorf("got %v, want a StreamError", err)
	}
}

// A typed transport gives one answer, and says that it is a stream.
type typed string

func (s typed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}},
		Body: io.NopCloser(strings.NewReader(string(s))),
	}, nil
}

// An error of the connection that cannot be asked what it is, as one that holds a nil
// pointer, ends the stream like any other.
func TestStrictSSEOfABrokenError(t *testing.T) {
	var broken *fs.PathError
	_, err := post(connection{broken}, "/chat/completions", `{"stream":true}`)
	if err == nil {
		t.Error("got no error")
	}
}

// A connection breaks in the middle of an answer.
type connection struct{ err error }

func (c connection) RoundTrip(*http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(sse(delta("Yes"))), iotest.ErrReader(c.err))
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
}

// FuzzStrictSSE: whatever a provider streams, StrictSSE passes on the beginning of
// it, and all of it if there is no error.
func FuzzStrictSSE(f *testing.F) {
	f.Add(sse(delta("Yes"), finish, usage5, "[DONE]"))
	f.Add(sse(toolEvents...))
	f.Add(sse(delta("The ")) + `data: {"choices":[{"ind`)
	f.Add("data:\n\ndata: null\n: \n\r\ndata: [DONE]\n\x00")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := post(answers(body), "/chat/completions", `{"stream":true}`)
		if !strings.HasPrefix(body, got) {
			t.Errorf("got %q, which is no beginning of %q", got, body)
		}
		var wrong *langchaingo.StreamError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("got %v, want a StreamError", err)
		}
		if err == nil && !strings.Contains(body, "[DONE]") && !strings.Contains(strings.ToLower(body), "usage") {
			t.Errorf("%q: got no error of a stream without an end", body)
		}
	})
}
