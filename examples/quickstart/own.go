package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"example.com/safeconduct/middleware"
)

// A meter counts what runs. It stands innermost, so that it sees what every gate
// has allowed.
type meter struct {
	mu                    sync.Mutex
	toolCalls, modelCalls int
	tokens                int64
	tools                 string // the last tool call
}

// Intercept is an interceptor.
func (m *meter) Intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		m.mu.Lock()
		defer m.mu.Unlock()
		switch call.Kind {
		case middleware.KindTool:
			m.toolCalls++
			m.tools = fmt.Sprintf("%s(%v) = %v", call.Name, call.Input, res.Output)
		case middleware.KindModel:
			m.modelCalls++
			m.tokens += res.Usage.Tokens()
		default:
		}
		return res, err
	}
}

// wrap breaks text into lines of width columns, the later ones indented.
func wrap(text string, indent, width int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len(word) > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
