// Package main follows values through variables, structs, closures and containers.
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

var (
	ctx    = context.Background()
	raw, _ = openai.New()
	model  = langchaingo.Model(raw)
	late   llms.Model
	risky  llms.Model = model
	never  llms.Model
)

func main() {
	model.Call(ctx, "")
	raw.Call(ctx, "") // want `raw.Call goes around the guards: its model comes from openai.New \(line 17\)`
	late = langchaingo.Model(raw)
	late.Call(ctx, "")
	if len(os.Args) > 1 {
		risky = raw
	}
	risky.Call(ctx, "") // want `risky.Call goes around the guards: its model comes from openai.New`
	never.Call(ctx, "") // want `never.Call goes around .*nothing shows to be guarded`
	variables()
	closures()
	structs()
	channels()
	dynamic(func() llms.Model { return raw })
}

func variables() {
	var m llms.Model = raw
	m.Call(ctx, "") // want `m.Call goes around`
	m = langchaingo.Model(m)
	m.Call(ctx, "")
	if len(os.Args) > 1 {
		m = raw
	}
	m.Call(ctx, "") // want `m.Call goes around`

	var one llms.Model
	if len(os.Args) > 1 {
		one = langchaingo.Model(raw)
	} else {
		one = langchaingo.Model(raw)
	}
	one.Call(ctx, "")

	two, err := newModel(true)
	if err != nil {
		return
	}
	two.Call(ctx, "")
	newRaw().Call(ctx, "")           // want `Call goes around`
	must(openai.New()).Call(ctx, "") // want `Call goes around`
	must(newModel(false)).Call(ctx, "")
	identity(model).Call(ctx, "")
	identity(newRaw()).Call(ctx, "") // want `Call goes around`
	countdown(3, model).Call(ctx, "")
	countdown(3, raw).Call(ctx, "") // want `Call goes around`

	if l, ok := model.(interface{ llms.Model }); ok {
		l.Call(ctx, "")
	}
	var x any = raw
	x.(llms.Model).Call(ctx, "") // want `Call goes around`
	p := &m
	(*p).Call(ctx, "") // want `Call goes around`
	c := context.WithValue(ctx, "model", model)
	c.Value("model").(llms.Model).Call(ctx, "") // want `Call goes around`
}

func newModel(bool) (llms.Model, error) {
	m, err := openai.New()
	if err != nil {
		return nil, err
	}
	return langchaingo.Model(m), nil
}

func newRaw() llms.Model { m, _ := openai.New(); return m }

func must[T any](v T, err error) T { return v }

func identity(m llms.Model) llms.Model { return m }

func countdown(n int, m llms.Model) llms.Model {
	if n == 0 {
		return m
	}
	return countdown(n-1, m)
}

func closures() {
	var m llms.Model = raw
	m = langchaingo.Model(m)
	ask := func() { m.Call(ctx, "") }
	ask()

	var n llms.Model = langchaingo.Model(raw)
	say := func() { n.Call(ctx, "") } // want `n.Call goes around`
	n = raw
	say()

	func(m llms.Model) { m.Call(ctx, "") }(model)
	func(m llms.Model) { m.Call(ctx, "") }(raw) // want `the func, which calls m.Call, goes around`

	make := func() llms.Model { return model }
	make().Call(ctx, "")
	make = func() llms.Model { return raw }
	func() { make().Call(ctx, "") }() // want `Call goes around`
}

type app struct {
	model  llms.Model
	helper llms.Model
	byName map[string]tools.Tool
	deps
}

type deps struct{ inner llms.Model }

func (a *app) ask()   { a.model.Call(ctx, "") }
func (a *app) help()  { a.helper.Call(ctx, "") } // want `a.helper.Call goes around the guards: its model comes from openai.New`
func (a *app) deep()  { a.inner.Call(ctx, "") }
func (a *app) tool()  { a.byName["x"].Call(ctx, "") }
func (a app) byCopy() { a.model.Call(ctx, "") }

type mixed struct{ model llms.Model }

type lazy struct{ model llms.Model }

func (l *lazy) start() { l.model = langchaingo.Model(raw) }

func newApp() *app {
	a := &app{model: langchaingo.Model(raw), helper: raw, byName: make(map[string]tools.Tool)}
	a.inner = model
	a.byName["x"] = langchaingo.Tool(tools.Calculator{})
	return a
}

func structs() {
	a := newApp()
	a.ask()
	a.help()
	a.deep()
	a.tool()
	a.byCopy()
	a.model.Call(ctx, "")
	a.helper.Call(ctx, "") // want `a.helper.Call goes around`

	good, bad := mixed{model: model}, mixed{model: raw}
	good.model.Call(ctx, "")
	bad.model.Call(ctx, "") // want `bad.model.Call goes around`
	bad.model = model
	bad.model.Call(ctx, "")
	for _, m := range []mixed{good, bad} {
		m.model.Call(ctx, "") // want `m.model.Call goes around`
	}
	func() { good.model.Call(ctx, "") }()

	l := &lazy{}
	l.start()
	l.model.Call(ctx, "")

	chain := chains.NewLLMChain(raw, "")
	chain.OutputKey = "text"
	chains.Run(ctx, chain, "") // want `chains.Run goes around`
	table := []struct {
		name  string
		chain chains.Chain
	}{{"one", langchaingo.Chain(chain)}, {"two", langchaingo.Chain(chain)}}
	for _, row := range table {
		chains.Run(ctx, row.chain, row.name)
	}
}

func channels() {
	c := make(chan llms.Model, 1)
	c <- model
	(<-c).Call(ctx, "")
	d := make(chan llms.Model, 1)
	d <- raw
	m := <-d
	m.Call(ctx, "") // want `m.Call goes around`
}

func dynamic(f func() llms.Model) {
	f().Call(ctx, "") // want `Call goes around the guards: its model comes from a func value`
}
