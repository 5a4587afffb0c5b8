package main

import (
	"context"
	"os"

	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"
)

// A source is an interface of this package: what its models are can be seen.
type source interface{ get() llms.Model }

type safe struct{}

func (safe) get() llms.Model { return model }

type sourceOfBoth interface{ both() llms.Model }

type one struct{}

func (one) both() llms.Model { return model }

type other struct{}

func (other) both() llms.Model { return raw }

// A foreign interface is as guarded as what it belongs to.
type holder interface {
	Model(context.Context) llms.Model
}

func sources(s source, b sourceOfBoth, h holder) {
	s.get().Call(ctx, "")
	b.both().Call(ctx, "")     // want `Call goes around the guards: its model comes from openai.New`
	h.Model(ctx).Call(ctx, "") // want `Call goes around the guards: its model comes from holder.Model`
}

func tuples() {
	byName := map[string]llms.Model{"a": model, "b": langchaingo.Model(raw)}
	m, ok := byName["a"]
	_ = ok
	m.Call(ctx, "")
	byName["a"].Call(ctx, "")
	for _, m := range byName {
		m.Call(ctx, "")
	}
	risky := map[string]llms.Model{"a": model}
	risky["b"] = raw
	risky["a"].Call(ctx, "") // want `Call goes around`
	for _, m := range risky {
		m.Call(ctx, "") // want `m.Call goes around`
	}
	c := make(chan llms.Model, 1)
	c <- raw
	d, ok := <-c
	d.Call(ctx, "") // want `d.Call goes around`
	select {
	case e := <-c:
		e.Call(ctx, "") // want `e.Call goes around .* comes from a value that cannot be followed, which nothing shows`
	default:
	}
	array := [2]llms.Model{model, model}
	array[0].Call(ctx, "")
	[]llms.Model{raw}[0].Call(ctx, "") // want `Call goes around`
	grown := append([]llms.Model{model}, model)
	grown[1] = raw
	grown[0].Call(ctx, "") // want `Call goes around`
	fill([]llms.Model{model})
	f, ok := any(raw).(llms.Model)
	f.Call(ctx, "") // want `f.Call goes around`
	list := make([]llms.Model, 2)
	list[0] = model // of the elements of a list, all assignments count
	part := list[:1]
	part[0] = raw
	list[0].Call(ctx, "") // want `Call goes around`
}

func fill(ms []llms.Model) {
	ms[0] = raw
	ms[0].Call(ctx, "") // want `Call goes around`
}

type inner struct{ model llms.Model }

type outer struct{ inner inner }

func nested() {
	a, b := &mixed{model}, &mixed{raw}
	p := a
	p.model.Call(ctx, "")
	if len(os.Args) > 1 {
		p = b
	}
	p.model.Call(ctx, "") // want `p.model.Call goes around`
	func() { a.model.Call(ctx, "") }()
	q := &p
	(*q).model.Call(ctx, "") // want `model.Call goes around`
	o := outer{inner{model}} // of fields of fields, all assignments count
	o.inner = inner{raw}
	o.inner.model.Call(ctx, "") // want `o.inner.model.Call goes around`

	for range 2 {
		var later llms.Model = model
		later.Call(ctx, "") // want `later.Call goes around`
		for range 2 {
			later.Call(ctx, "") // want `later.Call goes around`
			later = raw
		}
		r := &later
		_ = r
	}
}

// A loop makes it unguarded for the next turn.
func loops() {
	m := model
	for range 2 {
		m.Call(ctx, "") // want `m.Call goes around`
		m = raw
	}
	n := model
	for range 2 {
		n.Call(ctx, "") // want `n.Call goes around`
		if len(os.Args) > 1 {
			n = raw
		}
	}
	o := model
	for range 2 {
		o.Call(ctx, "")
		if len(os.Args) > 1 {
			o = langchaingo.Model(raw)
		}
	}
	part := []llms.Model{model}
	for range 2 {
		if len(os.Args) > 1 {
			part = part[:1]
		}
		part[0].Call(ctx, "")
	}
	part[0] = langchaingo.Model(raw)
	cell := &app{model: langchaingo.Model(raw)}
	cell.byName = map[string]tools.Tool{"x": langchaingo.Tool(tools.Calculator{})}
	cell.tool()
}

func factories() {
	fs := map[string]func() (llms.Model, error){"safe": func() (llms.Model, error) { return newModel(true) }}
	m, _ := fs["safe"]()
	m.Call(ctx, "") // want `m.Call goes around the guards: its model comes from a func value`
	var f func() llms.Model
	if len(os.Args) > 1 {
		f = safeModel
	} else {
		f = func() llms.Model { return langchaingo.Model(raw) }
	}
	f().Call(ctx, "")
	curried()().Call(ctx, "")
	bound := safe{}.get
	bound().Call(ctx, "")
	chosen = safeModel
	chosen().Call(ctx, "")
}

var chosen func() llms.Model

func safeModel() llms.Model { return model }

func curried() func() llms.Model { return safeModel }

// Even and odd call one another.
func even(n int, m llms.Model) llms.Model {
	if n == 0 {
		return m
	}
	return odd(n-1, m)
}

func odd(n int, m llms.Model) llms.Model {
	if n == 0 {
		return raw
	}
	return even(n-1, m)
}

func recursion() {
	even(2, model).Call(ctx, "") // want `Call goes around`
	odd(2, model).Call(ctx, "")  // want `Call goes around`
	ping(2, model)
	ping(2, raw) // want `ping, which calls m.Call, goes around`
}

func ping(n int, m llms.Model) {
	if n > 0 {
		pong(n-1, m)
	}
}

func pong(n int, m llms.Model) {
	m.Call(ctx, "")
	ping(n, m)
}

type modelFunc func(ctx context.Context, prompt string) (string, error)

func (f modelFunc) GenerateContent(ctx context.Context, ms []llms.MessageContent, o ...llms.CallOption) (*llms.ContentResponse, error) {
	return nil, nil
}

func (f modelFunc) Call(ctx context.Context, p string, o ...llms.CallOption) (string, error) {
	return f(ctx, p)
}

func kindsOfTypes() {
	f := modelFunc(func(context.Context, string) (string, error) { return "", nil })
	f.Call(ctx, "") // want `f.Call goes around the guards: its model comes from a func`
	langchaingo.Model(f).Call(ctx, "")
	chain := &chains.LLMChain{LLM: raw}
	chain.LLM = langchaingo.Model(chain.LLM)
	chains.Run(ctx, chain, "")
	chain.LLM.Call(ctx, "")
	x := pair[llms.Model]{raw, model}
	x.first.Call(ctx, "") // want `x.first.Call goes around`
	x.second.Call(ctx, "")
	first[llms.Model](x.second, raw).Call(ctx, "")
	askAny[*openai.LLM](raw) // want `askAny, which calls m.Call, goes around`
}

func setLater() {
	kept := chains.NewLLMChain(model, "")
	kept.OutputKey = "out"
	kept.LLM = model
	chains.Run(ctx, kept, "")
	chain := chains.NewLLMChain(model, "")
	chain.LLM = raw
	chains.Run(ctx, chain, "") // want `chains.Run goes around`
	chains.Run(ctx, langchaingo.Chain(chain), "")
	several, _ := chains.NewSimpleSequentialChain([]chains.Chain{langchaingo.Chain(chain)})
	several.LLM = raw
	chains.Run(ctx, several, "") // want `chains.Run goes around`
	models, safe := make([]llms.Model, 1), make([]llms.Model, 1)
	copy(models, []llms.Model{raw})
	models[0].Call(ctx, "") // want `Call goes around`
	copy(safe, []llms.Model{model})
	safe[0].Call(ctx, "")
}

type pair[T any] struct{ first, second T }

func first[T any](a, b T) T { return a }

func askAny[M llms.Model](m M) { m.Call(ctx, "") }
