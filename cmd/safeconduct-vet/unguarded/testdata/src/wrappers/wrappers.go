// Package main has types and handlers that stand before what they call.
package main

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
	"github.com/anthropics/anthropic-sdk-go"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

var ctx = context.Background()

// A logged model is as guarded as its value: the call that it hands on is no other.
type logged struct{ inner llms.Model }

func (l logged) GenerateContent(ctx context.Context, ms []llms.MessageContent, o ...llms.CallOption) (*llms.ContentResponse, error) {
	return l.retry(func() (*llms.ContentResponse, error) { return l.inner.GenerateContent(ctx, ms, o...) })
}

func (l logged) retry(f func() (*llms.ContentResponse, error)) (*llms.ContentResponse, error) {
	l.inner.Call(ctx, "warm up") // only GenerateContent calls this
	return f()
}

func (l logged) Call(ctx context.Context, p string, o ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, l.inner, p, o...)
}

// A summary is a tool that asks a model: a guard of the tool does not see that.
type summary struct{ model llms.Model }

func (summary) Name() string        { return "summary" }
func (summary) Description() string { return "" }
func (s summary) Call(ctx context.Context, in string) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, s.model, in) // want `llms.GenerateFromSinglePrompt goes around the guards: its model comes from openai.New`
}

// A brief is the same with a model that is guarded.
type brief struct{ model llms.Model }

func (brief) Name() string        { return "brief" }
func (brief) Description() string { return "" }
func (s brief) Call(ctx context.Context, in string) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, s.model, in)
}

// A timed tool hands its call on.
type timed struct{ tools.Tool }

func (t timed) Call(ctx context.Context, in string) (string, error) { return t.Tool.Call(ctx, in) }

// A steps chain runs others.
type steps []chains.Chain

func (steps) GetMemory() schema.Memory { return nil }
func (steps) GetInputKeys() []string   { return nil }
func (steps) GetOutputKeys() []string  { return nil }
func (s steps) Call(ctx context.Context, in map[string]any, o ...chains.ChainCallOption) (map[string]any, error) {
	for _, c := range s {
		if _, err := chains.Call(ctx, c, in, o...); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// A model that is made of a provider's client.
type claude struct{ client anthropic.Client }

func (c *claude) GenerateContent(ctx context.Context, ms []llms.MessageContent, o ...llms.CallOption) (*llms.ContentResponse, error) {
	c.client.Messages.New(ctx, "")
	return nil, nil
}

func (c *claude) Call(ctx context.Context, p string, o ...llms.CallOption) (string, error) {
	return c.client.Messages.New(ctx, p)
}

func main() {
	raw, _ := openai.New()
	model := langchaingo.Model(raw)

	langchaingo.Model(logged{raw}).Call(ctx, "")
	logged{model}.Call(ctx, "")
	logged{raw}.Call(ctx, "") // want `Call goes around the guards: its model comes from openai.New`
	var l llms.Model = &logged{inner: raw}
	l.Call(ctx, "") // want `l.Call goes around`

	langchaingo.Tool(summary{raw}).Call(ctx, "")
	langchaingo.Tool(brief{model}).Call(ctx, "")
	brief{model}.Call(ctx, "")              // want `Call goes around the guards: its tool comes from a brief`
	timed{tools.Calculator{}}.Call(ctx, "") // want `Call goes around the guards: its tool comes from a tools.Calculator`
	timed{langchaingo.Tool(tools.Calculator{})}.Call(ctx, "")

	chains.Run(ctx, steps{langchaingo.Chain(chains.NewLLMChain(raw, ""))}, "")
	chains.Run(ctx, steps{chains.NewLLMChain(raw, "")}, "") // want `chains.Run goes around`

	langchaingo.Model(&claude{anthropic.NewClient()}).Call(ctx, "")
	(&claude{anthropic.NewClient()}).Call(ctx, "") // want `Call goes around`
	handlers(raw)
}

func handlers(raw llms.Model) {
	client := anthropic.NewClient()
	ask := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		client.Messages.New(ctx, "")
		out, err := raw.Call(ctx, call.Input.(string))
		return middleware.Result{Output: out}, err
	})
	ask(ctx, middleware.Call{})

	r := runner{client: &client, model: raw}
	middleware.Wrap(r.run)(ctx, middleware.Call{})
	middleware.Wrap(handler(raw))(ctx, middleware.Call{})
	var named middleware.Handler = function
	middleware.Wrap(named)(ctx, middleware.Call{})

	// A gate is no handler.
	middleware.Before("judge", func(ctx context.Context, call middleware.Call) error {
		client.Messages.New(ctx, "") // want `client.Messages.New goes around`
		return nil
	})
	// Nor is a handler that nothing wraps.
	lone := middleware.Handler(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_, err := client.Messages.New(ctx, "") // want `client.Messages.New goes around`
		return middleware.Result{}, err
	})
	lone(ctx, middleware.Call{})
}

func handler(m llms.Model) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_, err := m.Call(ctx, "")
		return middleware.Result{}, err
	}
}

func function(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{}, send(ctx)
}

// send is called by a wrapped handler only.
func send(ctx context.Context) error {
	c := anthropic.NewClient()
	_, err := c.Messages.New(ctx, "")
	return err
}

type runner struct {
	client *anthropic.Client
	model  llms.Model
}

func (r runner) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	r.client.Messages.New(ctx, "")
	_, err := r.model.Call(ctx, "")
	return middleware.Result{}, err
}
