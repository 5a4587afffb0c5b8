// Service answers over HTTP with a model that its constructor is given.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/programs/service/bot"
	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	model := langchaingo.Model(llm, gates.Budget(gates.Limits{ModelCalls: 3}))
	http.Handle("/", bot.New(model))
	http.Handle("/raw", bot.New(llm)) // AROUND
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if _, err := llms.GenerateFromSinglePrompt(r.Context(), llm, "ping"); err != nil { //safeconduct:unguarded a health check
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		out, err := chains.Run(r.Context(), chains.NewLLMMathChain(model), "1 + 1")
		fmt.Fprintln(w, out, err)
	})
	fmt.Println(bot.Greet(context.Background(), llm)) // AROUND
	s := &http.Server{Addr: "localhost:8080", ReadTimeout: time.Second}
	log.Fatal(s.ListenAndServe())
}
