// Streaming has one answer of a model, as OpenAI once streamed it, come through
// gates: a caller gets what is allowed, and nothing after a denial.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/httpreplay"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// noGenus is a gate of one's own that judges the whole answer.
var noGenus = middleware.After("no-genus", func(_ context.Context, _ middleware.Call, res middleware.Result) error {
	if strings.Contains(res.Output.(*middleware.ModelResponse).Choices[0].Text, "genus") {
		return middleware.Deny(middleware.CodePolicy, "nobody asked for the genus")
	}
	return nil
})

// scenes are the gates that the answer comes through.
var scenes = []struct {
	title string
	gate  middleware.Interceptor
}{
	{"Nothing speaks against it, and it is seen as it comes", gates.Size(gates.SizeRules{Output: 1 << 20})},
	{"Refused when it was whole: none of it was released", noGenus},
	{"The same, but all except the last 200 bytes is let go", middleware.Window(200, noGenus)},
	{"A budget of 40 tokens ends it in the middle", gates.Budget(gates.Limits{OutputTokens: 40, Estimate: 1})},
	{"It had to be JSON, and does not begin like that", schema.Output(schema.MustCompile("taxonomy", `{"type":"object"}`))},
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "streaming:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	recording, err := recorded(ctx, "llms", "openai", "testdata", "TestWithStreaming.httprr")
	if err != nil {
		return err
	}
	for _, scene := range scenes {
		client := &http.Client{Transport: langchaingo.StrictSSE(httpreplay.New(recording...))}
		model, err := openai.New(openai.WithToken("none"), openai.WithModel("gpt-3.5-turbo"), openai.WithHTTPClient(client))
		if err != nil {
			return err
		}
		fmt.Fprintln(w, scene.title)
		came := 0
		ask(ctx, w, langchaingo.Model(model, scene.gate, count(&came)))
		fmt.Fprintf(w, "  %d of 84 chunks had come\n\n", came)
	}
	return nil
}

// ask prints what the caller of a model gets to see of its answer.
func ask(ctx context.Context, w io.Writer, model llms.Model) {
	var got strings.Builder
	_, err := model.GenerateContent(ctx,
		[]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "I'm a pomeranian", "Tell me more about my taxonomy")},
		llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			got.Write(chunk)
			return nil
		}))
	for line := range strings.Lines(wrap(got.String(), 76)) {
		fmt.Fprint(w, "  | ", line)
	}
	if err != nil {
		fmt.Fprintln(w, " ", err)
	}
}

// count counts the chunks that come.
func count(n *int) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			to := call.Stream
			call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
				*n++
				return to(ctx, chunk)
			}
			return next(ctx, call)
		}
	}
}

// wrap breaks a text into lines of about so many bytes.
func wrap(text string, width int) string {
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(text) {
		if at > 0 && at+1+len(word) > width {
			b.WriteByte('\n')
			at = 0
		}
		if at > 0 {
			b.WriteByte(' ')
			at++
		}
		at += len(word)
		b.WriteString(word)
	}
	if at > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// recorded reads a recording that comes with langchaingo.
func recorded(ctx context.Context, name ...string) ([]*httpreplay.Exchange, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tmc/langchaingo").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m github.com/tmc/langchaingo: %w", err)
	}
	return httpreplay.ReadFile(filepath.Join(append([]string{strings.TrimSpace(string(dir))}, name...)...))
}
