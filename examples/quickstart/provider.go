package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/serpapi"

	"example.com/safeconduct/httpreplay"
)

// A provider makes models: of OpenAI, of an Ollama host, or of recordings.
type provider struct {
	describe string
	live     []openai.Option
	recorded string // directory of langchaingo, where nothing is live
}

func newProvider(ctx context.Context) (*provider, error) {
	if key := os.Getenv("OPENAI_API_KEY"); key != "" {
		name := cmp.Or(os.Getenv("OPENAI_MODEL"), "gpt-4o")
		return &provider{
			describe: "OpenAI's " + name,
			live:     []openai.Option{openai.WithToken(key), openai.WithModel(name)},
		}, nil
	}
	if host := os.Getenv("OLLAMA_HOST"); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		name := cmp.Or(os.Getenv("OLLAMA_MODEL"), "llama3.1")
		return &provider{
			describe: "Ollama's " + name + " at " + host,
			live: []openai.Option{
				openai.WithToken("ollama"), openai.WithModel(name),
				openai.WithBaseURL(strings.TrimSuffix(host, "/") + "/v1"),
			},
		}, nil
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tmc/langchaingo").Output()
	dir := strings.TrimSpace(string(out))
	if err == nil && dir == "" {
		err = errors.New("not downloaded")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find langchaingo's recordings (%w): use go run in this module, or set OPENAI_API_KEY", err)
	}
	return &provider{
		describe: "recorded answers of OpenAI's models",
		recorded: dir,
	}, nil
}

// model returns a model for an agent; a recorded one knows the conversation of
// one of langchaingo's own tests.
func (p *provider) model(test string) (llms.Model, error) {
	if p.recorded == "" {
		return openai.New(p.live...)
	}
	name := "gpt-4o"
	if test == "TestExecutorWithOpenAIFunctionAgent" {
		name = "gpt-4"
	}
	return p.replay(filepath.Join("agents", "testdata", test+".httprr"), openai.WithModel(name))
}

func (p *provider) replay(recording string, options ...openai.Option) (llms.Model, error) {
	t, err := httpreplay.Open(filepath.Join(p.recorded, recording))
	if err != nil {
		return nil, err
	}
	return openai.New(append(options, openai.WithToken("none"), openai.WithHTTPClient(t.Client()))...)
}

// searchAgent is an agent that may ask for a search.
func searchAgent(model llms.Model) agents.Agent {
	search, err := serpapi.New(serpapi.WithAPIKey("none")) // it is never run
	if err != nil {
		panic(err)
	}
	return agents.NewOpenAIFunctionsAgent(model, []tools.Tool{search, tools.Calculator{}},
		agents.NewOpenAIOption().WithSystemMessage("you are a helpful assistant"),
		agents.NewOpenAIOption().WithExtraMessages([]prompts.MessageFormatter{
			prompts.NewHumanMessagePromptTemplate("please be strict", nil),
		}))
}

// freeText is a chain whose model is asked for nothing but an answer.
func (p *provider) freeText() (chains.Chain, error) {
	m, err := p.model("TestOpenAIFunctionsAgentComplexCalculation")
	if err != nil {
		return nil, err
	}
	calculator := tools.Calculator{}
	//safeconduct:unguarded the chain is guarded, and its answer is all that is judged
	return ask(m, []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "You are a helpful math assistant."),
		llms.TextParts(llms.ChatMessageTypeHuman, "Please show your work step by step."),
		llms.TextParts(llms.ChatMessageTypeHuman,
			"If I have 3 groups of 7 items, and I add 9 more items, how many items do I have in total?"),
	}, llms.WithFunctions([]llms.FunctionDefinition{{
		Name: calculator.Name(), Description: calculator.Description(),
		Parameters: map[string]any{
			"properties": map[string]any{"__arg1": map[string]string{"title": "__arg1", "type": "string"}},
			"required":   []string{"__arg1"},
			"type":       "object",
		},
	}})), nil
}

// structured is a chain whose model is held to a format by its provider.
func (p *provider) structured() (chains.Chain, error) {
	format := openai.WithResponseFormat(&openai.ResponseFormat{
		Type: "json_schema",
		JSONSchema: &openai.ResponseFormatJSONSchema{
			Name: "math_schema", Strict: true,
			Schema: &openai.ResponseFormatJSONSchemaProperty{
				Type:       "object",
				Properties: map[string]*openai.ResponseFormatJSONSchemaProperty{"final_answer": {Type: "string"}},
				Required:   []string{"final_answer"},
			},
		},
	})
	var m llms.Model
	var err error
	if p.recorded == "" {
		m, err = openai.New(append(p.live[:len(p.live):len(p.live)], format)...)
	} else {
		m, err = p.replay("llms/openai/testdata/TestStructuredOutputObjectSchema.httprr", openai.WithModel("gpt-4o-2024-08-06"), format)
	}
	if err != nil {
		return nil, err
	}
	//safeconduct:unguarded the chain is guarded, and its answer is all that is judged
	return ask(m, []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "You are a student taking a math exam."),
		llms.TextParts(llms.ChatMessageTypeGeneric, "Solve 2 + 2"),
	}), nil
}

// ask is a chain that asks a model and returns its answer as "text".
func ask(m llms.Model, messages []llms.MessageContent, options ...llms.CallOption) chains.Chain {
	return chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		res, err := m.GenerateContent(ctx, messages, options...)
		if err != nil {
			return nil, err
		}
		return map[string]any{"text": res.Choices[0].Content}, nil
	}, nil, []string{"text"})
}
