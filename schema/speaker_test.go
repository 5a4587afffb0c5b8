package schema_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// A speaker is a model that gives one answer after the other.
type speaker struct {
	mu       sync.Mutex
	answers  []string // "tool" asks for one
	requests []*middleware.ModelRequest
}

func (s *speaker) answer(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, call.Input.(*middleware.ModelRequest))
	if len(s.requests) > len(s.answers) {
		return middleware.Result{}, errors.New("the model has nothing more to say")
	}
	choice := middleware.Choice{Text: s.answers[len(s.requests)-1]}
	if choice.Text == "tool" {
		choice = middleware.Choice{ToolCalls: []middleware.ToolCall{{Name: "search"}}}
	}
	if call.Stream != nil {
		if err := call.Stream(ctx, middleware.Chunk{Text: []byte(choice.Text)}); err != nil {
			return middleware.Result{}, err
		}
	}
	return middleware.Result{
		Output: &middleware.ModelResponse{Choices: []middleware.Choice{choice}},
		Usage:  &middleware.Usage{InputTokens: 10, OutputTokens: 1, Reported: true},
	}, nil
}

// last returns the texts of the messages of the last request, with their roles.
func (s *speaker) last() []string {
	var texts []string
	for _, m := range s.requests[len(s.requests)-1].Messages {
		texts = append(texts, m.Role+": "+m.Parts[0].Text)
	}
	return texts
}

// model is the speaker's model, guarded.
func (s *speaker) model(is ...middleware.Interceptor) middleware.Handler {
	return middleware.Wrap(s.answer, is...)
}

// ask has a model say something, within ctx's call.
func ask(ctx context.Context, model middleware.Handler) (*middleware.ModelResponse, error) {
	return stream(ctx, model, nil)
}

// stream is ask with a Stream.
func stream(ctx context.Context, model middleware.Handler, to middleware.Stream) (*middleware.ModelResponse, error) {
	call := middlewaretest.Model("What is the risk?")
	call.Stream = to
	res, err := model(ctx, call)
	if err != nil {
		return nil, err
	}
	return res.Output.(*middleware.ModelResponse), nil
}

// chain is a chain that asks the model once, guarded.
func (s *speaker) chain(is ...middleware.Interceptor) middleware.Handler {
	model := s.model(is...)
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := stream(ctx, model, call.Stream)
		if err != nil {
			return middleware.Result{}, err
		}
		return middleware.Result{Output: map[string]any{"text": res.Choices[0].Text}}, nil
	}, is...)
}

// agent is a chain that runs an agent, guarded as an Executor guards it. The
// final answer is what follows "Final:".
func (s *speaker) agent(is ...middleware.Interceptor) middleware.Handler {
	model := s.model(is...)
	tool := middleware.Wrap(returns("found"), is...)
	plan := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := stream(ctx, model, call.Stream)
		if err != nil {
			return middleware.Result{}, err
		}
		if calls := res.Choices[0].ToolCalls; calls != nil {
			return middleware.Result{Output: &middleware.Plan{ToolCalls: calls}}, nil
		}
		_, final, ok := strings.Cut(res.Choices[0].Text, "Final:")
		if !ok {
			return middleware.Result{}, errors.New("the answer cannot be parsed")
		}
		return middleware.Result{Output: &middleware.Plan{Final: map[string]any{"output": final}}}, nil
	}, is...)
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for range 5 {
			turn := middlewaretest.Plan()
			turn.Stream = call.Stream
			res, err := plan(ctx, turn)
			if err != nil {
				return middleware.Result{}, err
			}
			p := res.Output.(*middleware.Plan)
			if p.Final != nil {
				return middleware.Result{Output: p.Final}, nil
			}
			if _, err := tool(ctx, middlewaretest.Tool("search", "{}")); err != nil {
				return middleware.Result{}, err
			}
		}
		return middleware.Result{}, errors.New("the agent does not finish")
	}, is...)
}

// A ledger keeps what becomes of calls, one line each, in the order in which
// they end: "1/2 model: deny bad_output, denied".
type ledger struct {
	mu    sync.Mutex
	lines []string
	whys  []string
}

func (l *ledger) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "ledger", Recorder: true, ID: l}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		trail := middleware.Observe(ctx)
		res, err := next(ctx, call)
		outcome := "done"
		if err != nil {
			outcome = "failed"
			if d, ok := errors.AsType[*middleware.DeniedError](err); ok {
				outcome = "denied by " + d.Gate
			}
		} else if _, ok := res.Output.(middleware.Observation); ok {
			outcome = "told"
		}
		line := fmt.Sprintf("%v/%v %s:", call.Parent, call.ID, call.Kind)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, d := range trail.Decisions() {
			if d.Gate != "schema.output" {
				continue
			}
			if d.Shadow {
				line += " shadow"
			}
			line += strings.TrimRight(" "+d.Verdict.String()+" "+string(d.Code), " ") + ","
			l.whys = append(l.whys, d.Reason)
		}
		l.lines = append(l.lines, line+" "+outcome)
		return res, err
	}
}

const (
	prose     = "The risk is low, says hunter2."
	notJSON   = "does not satisfy the schema verdict: the value must be JSON (byte 0)"
	askedOnce = "asked again, 1 time: "
)

// answerOf returns the text of an answer.
func answerOf(output any) string {
	switch out := output.(type) {
	case *middleware.ModelResponse:
		return out.Choices[0].Text
	case map[string]any:
		for _, v := range out {
			text, _ := v.(string)
			return text
		}
	}
	return ""
}
