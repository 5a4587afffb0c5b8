package langchaingo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/middleware"
)

// Engine guards the database that langchaingo's SQLDatabase runs the queries of a
// model on. Each query is a Call of KindTool with this name, whose Input is the SQL
// and whose Output the rows as the model gets to see them. See "Queries and requests"
// in the package doc.
//
// Engine panics if name is empty, e is nil, or as [Tool] does for interceptors.
// The engine that it returns is as safe for concurrent use as e.
func Engine(name string, e sqldatabase.Engine, is ...middleware.Interceptor) sqldatabase.Engine {
	if name == "" || isNil(e) {
		panic("langchaingo: Engine: no name, or a nil engine")
	}
	toolReach("Engine", name).Check(is...)
	return newEngine(name, e, is)
}

func newEngine(name string, e sqldatabase.Engine, is []middleware.Interceptor) sqldatabase.Engine {
	if g, ok := e.(*engine); ok {
		e, is = g.Engine, middleware.Merge(middleware.KindTool, is, g.is)
	}
	g := &engine{Engine: e, name: name, is: is}
	g.handler = middleware.Wrap(g.run, is...)
	return g
}

// An engine is a guarded database.
type engine struct {
	sqldatabase.Engine
	name    string
	is      []middleware.Interceptor
	handler middleware.Handler
}

// A query is one on its way through the guard.
type query struct {
	args []any
	cols []string
	rows [][]string
	text string // the rows, as the model gets to see them
}

// Unwrap returns the engine without its guard.
func (e *engine) Unwrap() sqldatabase.Engine { return e.Engine }

// Guarded says what stands around the engine.
func (e *engine) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindTool, Name: e.name, Interceptors: e.is, Inner: e.Engine}
}

// String prints the order of the interceptors.
func (e *engine) String() string { return onion(middleware.KindTool, e.name, e.is) }

// Query runs a guarded query.
func (e *engine) Query(ctx context.Context, sql string, args ...any) (cols []string, rows [][]string, err error) {
	f := &frame[query]{ctx, query{args: args}}
	res, err := e.handler(f, middleware.Call{Kind: middleware.KindTool, Name: e.name, Input: sql})
	if err != nil {
		return nil, nil, err
	}
	switch out := res.Output.(type) {
	case string:
		if out == f.call.text {
			return f.call.cols, f.call.rows, nil
		}
		return []string{out}, nil, nil // an interceptor put another text in its place
	case middleware.Observation:
		return []string{string(out)}, nil, nil
	}
	return nil, nil, wrongOutput(middleware.KindTool, e.name, res.Output)
}

func (e *engine) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	q, sql, err := frameAndInput[query, string](ctx, call)
	if err != nil {
		return middleware.Result{}, err
	}
	if q.cols, q.rows, err = e.Engine.Query(ctx, sql, q.args...); err != nil {
		return middleware.Result{}, err
	}
	var b strings.Builder
	b.WriteString(strings.Join(q.cols, "\t"))
	for _, row := range q.rows {
		b.WriteByte('\n')
		b.WriteString(strings.Join(row, "\t"))
	}
	q.text = b.String()
	return middleware.Result{Output: q.text}, nil
}

// TableInfo describes a table, if there is one of this name.
func (e *engine) TableInfo(ctx context.Context, table string) (string, error) {
	names, err := e.TableNames(ctx)
	if err != nil {
		return "", err
	}
	if !slices.Contains(names, table) {
		return "", fmt.Errorf("langchaingo: %s: %w", e.name, sqldatabase.ErrTableNotFound)
	}
	return e.Engine.TableInfo(ctx, table)
}
