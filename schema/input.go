package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// Tools are argument contracts: the schemas that the arguments of tools satisfy,
// by the names under which the tools are registered.
type Tools map[string]*Schema

// Input returns the gate of argument contracts, "schema.input": the arguments of each
// call of a tool that has a contract satisfy it and hold nothing that it does not
// declare, or the tool does not run. Of an agent's plan it refuses all if the
// arguments of one call in it violate theirs. The denial has
// [middleware.CodeBadInput], a reason that says what is wrong and where, and the
// [*ValidationError] as its cause. See the package's documentation for the details.
//
// Input panics if there are no tools, if a name is empty or its Schema nil, or if
// two names differ in case alone. It keeps a copy of the map.
func Input(tools Tools) middleware.Interceptor {
	if len(tools) == 0 {
		panic("schema: Input: no tools")
	}
	c := make(contracts, len(tools))
	names := slices.Sorted(maps.Keys(tools))
	for _, name := range names {
		twin, ok := c[strictjson.Fold(name)]
		switch {
		case name == "":
			panic("schema: Input: a tool without a name")
		case tools[name] == nil:
			panic(fmt.Sprintf("schema: Input: nil Schema for %q", name))
		case ok:
			panic(fmt.Sprintf("schema: Input: %q and %q differ in case alone", twin.tool, name))
		}
		c[strictjson.Fold(name)] = contract{name, tools[name].asArguments()}
	}
	const gate = "schema.input"
	judge := middleware.Compose(
		middleware.On(middleware.KindPlan, middleware.PassThrough(middleware.After(gate, c.checkPlan))),
		middleware.On(middleware.KindTool, middleware.Transform(gate, c.checkTool)),
	)
	said := middleware.NewGate(gate).Layer()
	said.Kinds, said.Tools = []middleware.Kind{middleware.KindTool, middleware.KindPlan}, names
	said.Stream = "of plans passed through"
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return said.Handler()
		}
		return judge(next)
	}
}

// contracts are those of one gate, by the names of the tools as fold maps them.
type contracts map[string]contract

type contract struct {
	tool   string
	schema *Schema
}

func (c contracts) checkTool(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
	contract, ok := c[strictjson.Fold(call.Name)]
	if !ok {
		return call, false, nil
	}
	was, ok := call.Input.(string)
	if !ok {
		return call, false, fmt.Errorf("schema: the input of %s is a %T, not a string", call.Name, call.Input)
	}
	judged, err := contract.schema.normalize(was)
	if err != nil {
		return call, false, deny(middleware.CodeBadInput, "the input", err)
	}
	if judged == was {
		return call, false, nil
	}
	call.Input = judged
	return call, true, nil
}

func (c contracts) checkPlan(_ context.Context, _ middleware.Call, res middleware.Result) error {
	plan, ok := res.Output.(*middleware.Plan)
	if !ok || plan == nil {
		return errors.New("schema: the plan is nil or none")
	}
	for i, tc := range plan.ToolCalls {
		contract, ok := c[strictjson.Fold(tc.Tool())]
		if !ok {
			continue
		}
		if _, err := contract.schema.judge(tc.Input); err != nil {
			return deny(middleware.CodeBadInput, fmt.Sprintf("the input of tool call %d, %s,", i+1, contract.tool), err)
		}
	}
	return nil
}
