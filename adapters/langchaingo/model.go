package langchaingo

import (
	"context"
	"sync/atomic"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// Model guards a model. Each request to it is a Call of KindModel, named by the
// model's type, with a *middleware.ModelRequest as Input and a
// *middleware.ModelResponse as Output. The Result's Usage holds the tokens as the
// provider reported them; see [middleware.Usage] for where it did not. The package
// says what interceptors may change, and what becomes of a stream.
//
// A model that is already guarded is not wrapped twice; see [Tool], also for when
// Model panics. The model that it returns is as safe for concurrent use as m. It has
// SupportsReasoning and CreateEmbedding if and only if m has.
func Model(m llms.Model, is ...middleware.Interceptor) llms.Model {
	if isNil(m) {
		panic("langchaingo: Model: nil model")
	}
	modelReach("Model", m).Check(is...)
	return newModel(m, is)
}

// modelReach says what comes to the interceptors of one model.
func modelReach(who string, m llms.Model) middleware.Reach {
	return middleware.Reach{
		What: "langchaingo: " + who + "(" + typeName(m) + ")", Kinds: []middleware.Kind{middleware.KindModel}, Alone: true,
		Instead: "Guard the agent or chain that asks the model, with langchaingo.Executor or Chain",
	}
}

func newModel(m llms.Model, is []middleware.Interceptor) llms.Model {
	if g, ok := m.(guardedModel); ok {
		m, is = g.guarded().inner, middleware.Merge(middleware.KindModel, is, g.guarded().is)
	}
	g := &model{inner: m, name: typeName(m), is: is}
	g.handler = middleware.Wrap(g.run, is...)
	r, reasons := m.(llms.ReasoningModel)
	e, embeds := m.(embedder)
	switch {
	case reasons && embeds:
		return &reasoningEmbedderModel{g, reasoner{r}, e}
	case reasons:
		return &reasoningModel{g, reasoner{r}}
	case embeds:
		return &embedderModel{g, e}
	}
	return g
}

// An embedder is what embeddings.NewEmbedder takes.
type embedder interface {
	CreateEmbedding(ctx context.Context, texts []string) ([][]float32, error)
}

// A reasoner has of a ReasoningModel what makes it one.
type reasoner struct{ m llms.ReasoningModel }

func (r reasoner) SupportsReasoning() bool { return r.m.SupportsReasoning() }

// A guardedModel is any of the four types of guarded models.
type guardedModel interface {
	llms.Model
	guarded() *model
}

type (
	// A model is a guarded model.
	model struct {
		inner   llms.Model
		name    string
		is      []middleware.Interceptor
		handler middleware.Handler
	}
	reasoningModel struct {
		*model
		reasoner
	}
	embedderModel struct {
		*model
		embedder
	}
	reasoningEmbedderModel struct {
		*model
		reasoner
		embedder
	}
)

func (m *model) guarded() *model { return m }

// Unwrap returns the model without its guard.
func (m *model) Unwrap() llms.Model { return m.inner }

// Guarded says what stands around the model.
func (m *model) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindModel, Name: m.name, Interceptors: m.is, Inner: m.inner}
}

// String prints the order of the interceptors.
func (m *model) String() string { return onion(middleware.KindModel, m.name, m.is) }

// Call asks the guarded model with a single prompt. It goes the way of
// GenerateContent.
func (m *model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent asks the guarded model.
func (m *model) GenerateContent(
	ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption,
) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	if frameOf[planCall](ctx).declare(&opts) {
		options = append(options[:len(options):len(options)], func(o *llms.CallOptions) {
			o.Functions, o.Tools = opts.Functions, opts.Tools
		})
	}
	f := &frame[modelCall]{Context: ctx}
	f.call.messages, f.call.options, f.call.opts = messages, options, &opts
	f.call.request = neutralRequest(messages, &opts)
	call := middleware.Call{Kind: middleware.KindModel, Name: m.name, Input: f.call.request}
	if f.call.streams() {
		call.Stream = f.call.deliver
	}
	res, err := m.handler(f, call)
	if err != nil {
		return nil, err
	}
	out, ok := res.Output.(*middleware.ModelResponse)
	if !ok || out == nil {
		return nil, wrongOutput(middleware.KindModel, m.name, res.Output)
	}
	if f.call.response != nil && sameResponse(f.call.native, out) {
		return f.call.native, nil
	}
	return changedResponse(f.call.native, out), nil
}

func (m *model) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	f, req, err := frameAndInput[modelCall, *middleware.ModelRequest](ctx, call)
	if err != nil {
		return middleware.Result{}, err
	}
	messages, options := f.messages, f.options
	if !f.isUnchanged(req) {
		if req == f.request {
			return middleware.Result{}, modifiedInPlace(call)
		}
		var changed []llms.CallOption
		if messages, changed, err = f.changedRequest(req); err != nil {
			return middleware.Result{}, err
		}
		options = append(options[:len(options):len(options)], changed...)
	}
	var v streamGuard
	streams := f.streams()
	if streams {
		options = append(options[:len(options):len(options)], v.options(f.opts, streamOf(call))...)
	}
	native, err := m.inner.GenerateContent(ctx, messages, options...)
	res := middleware.Result{Usage: usageOf(native)}
	if firstChunk(native, len(messages), streams) {
		res.Usage = &middleware.Usage{}
	}
	if refused := v.error(); refused != nil {
		return res, refused
	}
	if err != nil {
		return res, err
	}
	f.native, f.response = native, neutralResponse(native)
	if streams && !f.whole.Load() && wasCut(native, res.Usage) {
		return res, ErrStreamCut
	}
	if err := v.check(m.name, f.response); err != nil {
		return res, err
	}
	res.Output = f.response
	return res, nil
}

// A modelCall is one request to a guarded model.
type modelCall struct {
	messages []llms.MessageContent
	options  []llms.CallOption
	opts     *llms.CallOptions // what options come to
	request  *middleware.ModelRequest

	native   *llms.ContentResponse
	response *middleware.ModelResponse
	whole    atomic.Bool // StrictSSE saw its stream end as it must
}

// streams reports whether the caller asked for a stream.
func (f *modelCall) streams() bool {
	return f.opts.StreamingFunc != nil || f.opts.StreamingReasoningFunc != nil
}
