package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/middleware"
)

// A script is a model that says what it is told to, one answer a request. It is
// safe for concurrent use.
type script struct {
	mu      sync.Mutex
	answers []*llms.ContentChoice
	asked   [][]llms.MessageContent
	options []llms.CallOptions
	chunks  []string
	before  func(ctx context.Context, prompt string) error
	saw     func(observation string)
	swallow bool // errors of streams and contexts
	shown   int
}

func says(answers ...string) *script {
	s := &script{}
	for _, a := range answers {
		s.answers = append(s.answers, &llms.ContentChoice{Content: a, StopReason: "stop"})
	}
	return s
}

// rewind starts the script anew.
func (s *script) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.options, s.shown = nil, nil, 0
}

func (s *script) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *script) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, s, prompt, options...)
}

func (s *script) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	s.mu.Lock()
	n := len(s.asked)
	s.asked, s.options = append(s.asked, messages), append(s.options, opts)
	s.mu.Unlock()
	s.show(messages)
	if s.before != nil {
		if err := s.before(ctx, fmt.Sprint(messages[0].Parts[0])); err != nil {
			return nil, err
		}
	}
	if n >= len(s.answers) {
		return nil, errors.New("the script has ended")
	}
	if opts.StreamingFunc != nil {
		for _, c := range s.chunks {
			err := opts.StreamingFunc(ctx, []byte(c))
			if err == nil {
				err = ctx.Err()
			}
			if err != nil && s.swallow {
				return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: c}}}, nil
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{s.answers[n]}}, nil
}

// show passes on the tools' answers that the model has not seen yet.
func (s *script) show(messages []llms.MessageContent) {
	if s.saw == nil {
		return
	}
	var all []string
	for _, m := range messages {
		for _, p := range m.Parts {
			if r, ok := p.(llms.ToolCallResponse); ok {
				all = append(all, r.Content)
			}
		}
	}
	for _, o := range all[min(s.shown, len(all)):] {
		s.saw(o)
	}
	s.shown = len(all)
}

// A funcTool is a tool made of a func.
type funcTool struct {
	name string
	f    func(ctx context.Context, input string) (string, error)
}

func (t *funcTool) Name() string        { return t.name }
func (t *funcTool) Description() string { return "does " + t.name }
func (t *funcTool) Call(ctx context.Context, input string) (string, error) {
	return t.f(ctx, input)
}

func echoTool(name string) tools.Tool {
	return &funcTool{name, func(_ context.Context, in string) (string, error) { return in, nil }}
}

// pass is an interceptor that does nothing.
func pass(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return next(ctx, call)
	}
}

// denyIf is a gate that denies the calls that cond holds for.
func denyIf(cond func(middleware.Call) bool) middleware.Interceptor {
	return middleware.Before("test", func(_ context.Context, c middleware.Call) error {
		if cond(c) {
			return middleware.Deny(middleware.CodePolicy, "no")
		}
		return nil
	})
}

// A spy keeps the calls that it sees, and their results.
type spy struct {
	mu      sync.Mutex
	calls   []middleware.Call
	results []middleware.Result
	errs    []error
}

func (s *spy) intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "spy", ID: s}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls, s.results, s.errs = append(s.calls, call), append(s.results, res), append(s.errs, err)
		return res, err
	}
}

// kinds says which calls the spy saw end, in order.
func (s *spy) kinds() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ks []string
	for _, c := range s.calls {
		ks = append(ks, c.Kind.String())
	}
	return strings.Join(ks, " ")
}
