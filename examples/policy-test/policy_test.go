package main

import (
	"errors"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

func TestPolicy(t *testing.T) {
	shop := middleware.Wrap(middlewaretest.Echo, policy())
	for _, tt := range []struct {
		tool, args string
		want       middleware.Code // empty: allowed
	}{
		{"search", "my order", ""},
		{"search", "", ""},
		{"delete", "my order", middleware.CodeToolNotAllowed},
		{"Search", "my order", middleware.CodeToolNotAllowed},
		{"refund", `{"order":"A-17","euros":99.5}`, ""},
		{"refund", `{"order":"A-17","euros":100}`, ""},
		{"refund", `{"order":"A-17","euros":101}`, middleware.CodePolicy},
		{"refund", `{"order":"B-17","euros":1}`, middleware.CodePolicy},
		{"refund", `{"order":"A-17","euros":"1"}`, middleware.CodeBadInput},
		{"refund", `{"order":"A-17","euros":1,"Euros":999}`, middleware.CodeBadInput},
		{"refund", "please", middleware.CodeBadInput},
	} {
		_, err := shop(t.Context(), middlewaretest.Tool(tt.tool, tt.args))
		var denied *middleware.DeniedError
		if errors.As(err, &denied) != (tt.want != "") || denied != nil && denied.Code != tt.want {
			t.Errorf("%s %s: got %v, want %q", tt.tool, tt.args, err, tt.want)
		}
	}
}
