package langchaingo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// argument is the only parameter that langchaingo's agents give a tool.
const argument = "__arg1"

// Declare returns the tool with a JSON Schema of its arguments, an object, of which
// models are told: see "Declared tools" in the package doc. A tool of langchaingo
// takes one string and says in words what that should be; a declared one takes the
// text of a JSON object. Declare judges nothing: put a gate beside it that does, such
// as Input of package schema.
//
// Declare panics if t is nil, if the parameters are no JSON object, or if they have a
// property "__arg1": langchaingo's agents would pass on nothing but that.
func Declare(t tools.Tool, parameters []byte) tools.Tool {
	if isNil(t) {
		panic("langchaingo: Declare: nil tool")
	}
	if g, ok := t.(*tool); ok {
		return newTool(Declare(g.inner, parameters), g.is)
	}
	if d, ok := t.(*declared); ok {
		t = d.Tool
	}
	d := &declared{Tool: t}
	var text bytes.Buffer
	if err := json.Unmarshal(parameters, &d.decoded); err != nil || d.decoded == nil || json.Compact(&text, parameters) != nil {
		panic(fmt.Sprintf("langchaingo: Declare: the parameters of %q are no JSON object", t.Name()))
	}
	d.parameters = text.Bytes()
	properties, _ := d.decoded["properties"].(map[string]any)
	if _, ok := properties[argument]; ok {
		panic(fmt.Sprintf("langchaingo: Declare: a parameter of %q is %s", t.Name(), argument))
	}
	return d
}

// A declared is a tool with the schema of its arguments.
type declared struct {
	tools.Tool
	parameters json.RawMessage
	decoded    map[string]any
}

// Unwrap returns the tool without its schema.
func (d *declared) Unwrap() tools.Tool { return d.Tool }

// Description tells of the schema, for agents that tell models of their tools in
// prompts.
func (d *declared) Description() string {
	return d.Tool.Description() + " (its input is a JSON object that satisfies the schema " + string(d.parameters) + ")"
}

// declarations returns those of the tools that are declared, by their names.
func declarations(ts []tools.Tool) map[string]*declared {
	all := make(map[string]*declared)
	for _, t := range ts {
		if g, ok := t.(*tool); ok {
			t = g.inner
		}
		if d, ok := t.(*declared); ok {
			all[d.Name()] = d
		}
	}
	return all
}

// declare puts what the agent's tools are declared to take into their definitions
// that a turn of it sends to a model, and reports whether there are any. It copies
// what it changes: it is the caller's.
func (p *planCall) declare(o *llms.CallOptions) bool {
	if p == nil || len(o.Functions)+len(o.Tools) == 0 {
		return false
	}
	ds := declarations(p.agent.GetTools())
	if len(ds) == 0 {
		return false
	}
	o.Functions = slices.Clone(o.Functions)
	for i := range o.Functions {
		f := &o.Functions[i]
		if d := ds[f.Name]; d != nil {
			// Raw, the properties keep their order.
			f.Description, f.Parameters = d.Tool.Description(), d.parameters
		}
	}
	o.Tools = slices.Clone(o.Tools)
	for i := range o.Tools {
		if o.Tools[i].Function == nil {
			continue
		}
		f := *o.Tools[i].Function
		if d := ds[f.Name]; d != nil {
			// The client of googleai reads nothing but maps.
			f.Description, f.Parameters = d.Tool.Description(), d.decoded
			o.Tools[i].Function = &f
		}
	}
	return true
}
