// Server answers questions over HTTP for several tenants: each has a budget of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func handler(model llms.Model) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Who asks comes from where you check it, such as a token; here from a header.
		ctx := middleware.WithIdentity(r.Context(), middleware.Identity{Tenant: r.Header.Get("Tenant")})
		answer, err := llms.GenerateFromSinglePrompt(ctx, model, r.URL.Query().Get("q"))
		var denied *middleware.DeniedError
		switch {
		case errors.As(err, &denied) && denied.Code == middleware.CodeOverBudget:
			http.Error(w, denied.Reason, http.StatusTooManyRequests)
		case errors.As(err, &denied):
			http.Error(w, denied.Reason, http.StatusForbidden)
		case err != nil:
			http.Error(w, "the model failed", http.StatusBadGateway)
		default:
			_ = json.NewEncoder(w).Encode(map[string]string{"answer": answer})
		}
	})
}

func main() {
	scripted := langchaingotest.NewModel(nil, langchaingotest.Say("42").Always()) // or openai.New()
	model := langchaingo.Model(scripted, gates.Budget(gates.Limits{Scope: gates.ScopeTenant, ModelCalls: 1}))
	answers := handler(model) // yours may go to http.ListenAndServe
	for _, tenant := range []string{"acme", "acme", "globex", ""} {
		asked := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/?q=why", nil)
		asked.Header.Set("Tenant", tenant)
		answered := httptest.NewRecorder()
		answers.ServeHTTP(answered, asked)
		fmt.Printf("%q %d %s", tenant, answered.Code, answered.Body)
	}
}
