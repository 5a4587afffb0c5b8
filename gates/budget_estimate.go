package gates

import (
	"slices"
	"sort"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/middleware"
)

const (
	// bytesPerToken is what a token takes in English prose, on average.
	bytesPerToken = 4

	// partTokens is what a part counts that is media: what the largest image
	// takes at Anthropic, which scales down those of more. The bytes of an image
	// say nothing of its tokens.
	partTokens = 1600
)

// An estimate is what a model call is expected to take.
type estimate struct {
	prompt     int64
	bound      int64 // of the output, for each answer; zero for that of the limits
	candidates int64
	streamed   int64 // tokens of output that have come already
	model      string
	price      *Price // nil where cost is not limited
}

// estimate fills in what a request is expected to take.
func (b *budget) estimate(e *estimate, name string, req *middleware.ModelRequest) error {
	e.prompt, e.candidates = promptTokens(req), int64(max(req.Candidates, 1))
	e.bound = int64(max(req.MaxTokens, 0))
	if e.bound == 0 {
		for i := range b.bounds {
			if bd := &b.bounds[i]; bd.Clamp && (e.bound == 0 || bd.Estimate < e.bound) {
				e.bound = bd.Estimate // held to what is reserved
			}
		}
	}
	if !b.limited[DimCost] {
		return nil
	}
	switch {
	case req.Model != "":
		e.model = req.Model
	case b.Prices.known(name) != nil || b.Model == "":
		e.model = name
	default:
		e.model = b.Model
	}
	if e.price = b.Prices.price(e.model); e.price == nil {
		reason := "no price is known for model " + shown.Name(e.model) + ": BudgetOptions.Prices can have one"
		if req.Model == "" && b.Model == "" {
			reason += ", and BudgetOptions.Model says which model it is"
		}
		return &middleware.DeniedError{Code: middleware.CodeIndeterminate, Err: ErrUnknownModel, Reason: reason}
	}
	return nil
}

// clamped reports whether the request is to be sent with another MaxTokens.
func (e *estimate) clamped(req *middleware.ModelRequest) bool {
	return e.bound > 0 && e.bound != int64(req.MaxTokens)
}

// toReserve returns what to reserve under some limits.
func (e *estimate) toReserve(l *Limits) Amounts {
	a := Amounts{DimModelCalls: 1}
	if e.candidates == 0 { // nothing that the request says matters
		return a
	}
	output := e.output(l)
	a[DimInputTokens], a[DimCachedTokens] = e.prompt, e.prompt
	a[DimOutputTokens], a[DimReasoningTokens] = output, output
	a[DimTokens] = sum(e.prompt, output)
	if e.price != nil {
		a[DimCost] = e.price.most(e.prompt, output)
	}
	return a
}

// output returns how many tokens of output to reserve under some limits.
func (e *estimate) output(l *Limits) int64 {
	each := e.bound
	if each == 0 {
		each = l.Estimate
	}
	return max(product(each, e.candidates), e.streamed)
}

// shrink lowers the bound of the output so that a call fits into what is left of
// a limit. It reports false where that cannot be.
func (e *estimate) shrink(d Dim, left int64) bool {
	output := int64(0)
	switch d {
	case DimOutputTokens, DimReasoningTokens:
		output = left
	case DimTokens:
		output = left - e.prompt
	case DimCost:
		output = int64(sort.Search(maxUsage, func(n int) bool { return e.price.most(e.prompt, int64(n)+1) > left }))
	}
	each := output / e.candidates
	if each < 1 || each >= e.bound {
		return false
	}
	e.bound = each
	return true
}

// guessed reports whether a call that sets no MaxTokens does not fit for what is
// reserved for its answer alone.
func (e *estimate) guessed(l *Limits, x shortage) bool {
	if e.bound > 0 || e.streamed > 0 || e.candidates == 0 {
		return false
	}
	less := *e
	less.bound = l.Estimate
	return less.shrink(x.dim, x.left)
}

// promptTokens estimates what a provider will count as the prompt. It leaves out
// the descriptions of tools, which it does not see.
func promptTokens(req *middleware.ModelRequest) int64 {
	var bytes, media int64
	for i := range req.Messages {
		for j := range req.Messages[i].Parts {
			if part := &req.Messages[i].Parts[j]; part.Media {
				media += partTokens
			} else {
				bytes = sum(bytes, int64(max(len(part.Text), part.Size)))
			}
		}
	}
	return sum(bytes/bytesPerToken+min(bytes%bytesPerToken, 1), media)
}

// What stands on a call's trail where it is charged by estimate.
const (
	noUsage   = "no usage was reported: charged what was reserved"
	badUsage  = "the usage reported cannot be: charged what was reserved"
	halfUsage = "the usage reported leaves out the prompt or the answer: charged what was reserved for it"
)

// A fate is what became of a model call that came to the model.
type fate uint8

const (
	failed   fate = iota // the model did not answer
	answered             // and the answer came through
	withheld             // a gate inside denied the answer, or something panicked
)

// fateOf returns the fate of a call that came to the model. One that has not
// returned panicked, or ended its goroutine.
func fateOf(err error, returned bool) fate {
	if !returned {
		return withheld
	}
	if err == nil {
		return answered
	}
	if _, panicked := foreign.As[*middleware.PanicError](err); panicked || isDenied(err) {
		return withheld
	}
	return failed
}

// A spending is what a model call used. What is not known of it is charged as it
// was reserved.
type spending struct {
	meter
	cost  int64  // as the provider reports it; zero for what the tokens cost
	price *Price // nil where nothing is known of the cost
	how   string // what stands on the trail; empty where all is known

	noUsage, noInput, noOutput bool
}

// spent returns what a model call used.
func (e *estimate) spent(p *Prices, res middleware.Result, f fate, streamed bool) spending {
	u := res.Usage
	m, known := meterOf(u)
	if known && (u.Cost < 0 || u.Cost > maxCost) {
		known = false
	}
	switch {
	case known:
	case u != nil && u.Reported && *u != (middleware.Usage{Reported: true}):
		return spending{how: badUsage, noUsage: true}
	case f != failed || streamed || u != nil:
		return spending{how: noUsage, noUsage: true}
	default:
		return spending{} // it failed, and nothing was metered
	}
	s := spending{meter: m, cost: u.Cost}
	if e.price != nil {
		s.price = e.answered(p, res)
	}
	s.noInput = m.input == 0 // there is no such prompt
	s.noOutput = m.output == 0 && (streamed || f == withheld || f == answered && hasAnswer(res.Output))
	if s.noInput || s.noOutput {
		s.how = halfUsage
	}
	return s
}

// hasAnswer reports whether a model's answer holds anything.
func hasAnswer(output any) bool {
	res, ok := output.(*middleware.ModelResponse)
	if !ok || res == nil {
		return false
	}
	return slices.ContainsFunc(res.Choices, func(c middleware.Choice) bool {
		return c.Text != "" || c.Reasoning != "" || len(c.ToolCalls) > 0
	})
}

// charge returns what is charged for a call under some limits.
func (e *estimate) charge(l *Limits, s *spending) Amounts {
	if s.noUsage {
		return e.toReserve(l)
	}
	m := s.meter
	if s.noInput {
		m.input = e.prompt
	}
	if s.noOutput {
		m.output = e.output(l)
	}
	a := Amounts{
		DimModelCalls: 1, DimInputTokens: m.input, DimOutputTokens: m.output,
		DimCachedTokens: m.cached, DimReasoningTokens: m.reasoning,
		DimTokens: sum(m.input, m.output), DimCost: s.cost,
	}
	if s.cost == 0 && s.price != nil {
		a[DimCost] = s.price.cost(m)
	}
	return a
}

// answered returns the price of the model that answered, where that is known.
func (e *estimate) answered(p *Prices, res middleware.Result) *Price {
	if out, ok := res.Output.(*middleware.ModelResponse); ok && out != nil && out.Model != "" {
		if price := p.known(out.Model); price != nil {
			return price
		}
	}
	return e.price
}
