// Package langchaingo has the names of safeconduct's adapter.
package langchaingo

import (
	"example.com/safeconduct/middleware"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

func Model(m llms.Model, is ...middleware.Interceptor) llms.Model                 { return m }
func Tool(t tools.Tool, is ...middleware.Interceptor) tools.Tool                  { return t }
func Tools(t []tools.Tool, is ...middleware.Interceptor) []tools.Tool             { return t }
func Chain(c chains.Chain, is ...middleware.Interceptor) chains.Chain             { return c }
func Executor(e *agents.Executor, is ...middleware.Interceptor) chains.Chain      { return e }
func Agent(a agents.Agent, is ...middleware.Interceptor) agents.Agent             { return a }
func Retriever(r schema.Retriever, is ...middleware.Interceptor) schema.Retriever { return r }
func Declare(t tools.Tool, parameters []byte) tools.Tool                          { return t }

func Named(name string, m llms.Model) llms.Model                      { return m }
func NamedChain(name string, c chains.Chain) chains.Chain             { return c }
func NamedRetriever(name string, r schema.Retriever) schema.Retriever { return r }
