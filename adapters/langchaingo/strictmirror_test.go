package langchaingo_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/adapters/langchaingo"
)

// What StrictSSE looks at besides.
var strictAlone = []string{"error", "choices[].delta.tool_calls[].index"}

// members lists the members that encoding/json reads into a type, by path, with the
// kind of each.
func members(path string, t reflect.Type, to map[string]string) {
	switch t.Kind() {
	case reflect.Pointer:
		members(path, t.Elem(), to)
	case reflect.Slice:
		members(path+"[]", t.Elem(), to)
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			members(strings.TrimPrefix(path+"."+name, "."), t.Field(i).Type, to)
		}
		to[path] = "struct"
	default:
		to[path] = t.Kind().String()
	}
}

// sourceMembers is members for a type in the source of a package.
func sourceMembers(path string, e ast.Expr, types map[string]ast.Expr, to map[string]string) {
	switch e := e.(type) {
	case *ast.StarExpr:
		sourceMembers(path, e.X, types, to)
	case *ast.ArrayType:
		sourceMembers(path+"[]", e.Elt, types, to)
	case *ast.StructType:
		for _, f := range e.Fields.List {
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
			if name != "-" {
				sourceMembers(strings.TrimPrefix(path+"."+name, "."), f.Type, types, to)
			}
		}
		to[path] = "struct"
	case *ast.Ident:
		if named, ok := types[e.Name]; ok {
			sourceMembers(path, named, types, to)
		} else {
			to[path] = e.Name
		}
	}
}

// StrictSSE decodes an event into what the client of openai decodes it into, as its
// source says. Where this fails after an update of langchaingo, streamEvent must
// follow.
func TestAnEventIsDecodedAsByTheClient(t *testing.T) {
	file, _ := runtime.FuncForPC(reflect.ValueOf(openai.New).Pointer()).FileLine(reflect.ValueOf(openai.New).Pointer())
	if !filepath.IsAbs(file) {
		t.Skip("built with -trimpath: the source of the client cannot be found")
	}
	packages, err := filepath.Glob(filepath.Join(filepath.Dir(file), "internal", "openaiclient", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]ast.Expr)
	for _, name := range packages {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok {
				types[s.Name.Name] = s.Type
			}
			return true
		})
	}
	payload, ok := types["StreamedChatResponsePayload"]
	if !ok {
		t.Fatal("the client has no StreamedChatResponsePayload any more")
	}
	want, got := make(map[string]string), make(map[string]string)
	sourceMembers("", payload, types, want)
	members("", langchaingo.StreamEvent, got)
	maps.DeleteFunc(got, func(path, _ string) bool {
		return slices.ContainsFunc(strictAlone, func(alone string) bool { return strings.HasPrefix(path, alone) })
	})
	if len(want) < 30 || !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// put sets the member at path to a value.
func put(in any, path []string, v any) {
	name, more := strings.CutSuffix(path[0], "[]")
	m := in.(map[string]any)
	switch {
	case len(path) == 1 && !more:
		m[name] = v
	case len(path) == 1:
		m[name] = []any{v}
	case more:
		put(m[name].([]any)[0], path[1:], v)
	default:
		put(m[name], path[1:], v)
	}
}

// Whatever stands in the place of whichever member: StrictSSE refuses the event as
// one that cannot be decoded if and only if the client would skip it.
func TestStrictSSERefusesWhatTheClientWouldSkip(t *testing.T) {
	const text = `{"id":"e","created":1,"model":"m","object":"o","system_fingerprint":"f","usage":{"prompt_tokens":7,"prompt_tokens_details":{},"completion_tokens_details":{}},
		"choices":[{"index":0,"delta":{"role":"assistant","content":"not ","reasoning_content":"","function_call":{}},"finish_reason":""}]}`
	const call = `{"id":"e","usage":{"prompt_tokens":7},"choices":[{"index":0,"delta":{
		"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"calc","arguments":"{\"keep\":100}"}}]}}]}`
	paths := make(map[string]string)
	members("", langchaingo.StreamEvent, paths)
	skipped := 0
	for path := range paths {
		if path == "" || slices.ContainsFunc(strictAlone, func(alone string) bool { return strings.HasPrefix(path, alone) }) {
			continue
		}
		for _, v := range []string{
			`null`, `true`, `false`, `0`, `1`, `1.5`, `-1`, `1e400`, `12345678901234567890`, `""`, `"x"`, `"1"`,
			`[]`, `[null]`, `[[]]`, `[1]`, `[{}]`, `{}`, `{"a":1}`,
		} {
			var event map[string]any
			base := text
			if strings.Contains(path, "tool_calls") {
				base = call
			}
			if err := json.Unmarshal([]byte(base), &event); err != nil {
				t.Fatal(err)
			}
			put(event, strings.Split(path, "."), json.RawMessage(v))
			data, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			body := sse(string(data), finish, "[DONE]")
			skips := !sees(t, body)
			if skips {
				skipped++
			}
			_, err = post(answers(body), "/chat/completions", `{"stream":true}`)
			var wrong *langchaingo.StreamError
			refused := errors.As(err, &wrong) && wrong.Event == 1 && wrong.Reason == "it is not the JSON of a piece of an answer"
			if refused != skips {
				t.Errorf("%s: %s: the client skips it: %v; StrictSSE says %v", path, v, skips, err)
			}
		}
	}
	if skipped < 300 {
		t.Errorf("the client skipped %d events, want more", skipped)
	}
}

// sees reports whether the client makes use of the first event of a stream of two.
func sees(t *testing.T, body string) (seen bool) {
	t.Helper()
	defer func() {
		if recover() != nil {
			seen = true // it decoded the event, and could not bear it
		}
	}()
	m, err := openai.New(openai.WithToken("t"), openai.WithModel("m"), openai.WithHTTPClient(&http.Client{Transport: answers(body)}))
	if err != nil {
		t.Fatal(err)
	}
	chunks := 0
	res, err := m.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")},
		llms.WithStreamingFunc(func(context.Context, []byte) error { chunks++; return nil }))
	if err != nil {
		t.Fatal(err)
	}
	return chunks == 2 || res.Choices[0].GenerationInfo["PromptTokens"] == 7
}
