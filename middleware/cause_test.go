package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// A tellTale is an error with its secret in an exported field.
type tellTale struct{ Secret string }

func (t tellTale) Error() string { return "wrong: " + t.Secret }

// TestCausesAreNotShown: the cause of a denial, and what somebody panicked with, may
// hold secrets. Whoever prints, logs or marshals the error does not get them.
func TestCausesAreNotShown(t *testing.T) {
	const secret = "hunter2"
	for name, check := range map[string]func(context.Context, middleware.Call) error{
		"a panic":               func(context.Context, middleware.Call) error { panic(secret) },
		"a panic with an error": func(context.Context, middleware.Call) error { panic(tellTale{secret}) },
		"an error":              func(context.Context, middleware.Call) error { return tellTale{secret} },
		"a denial with a cause": func(context.Context, middleware.Call) error {
			return &middleware.DeniedError{Code: "x", Reason: "no", Err: tellTale{secret}}
		},
		"a denial within other words": func(context.Context, middleware.Call) error {
			return fmt.Errorf("%s: %w", secret, middleware.Deny("x", "no"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := middleware.Wrap(echo, middleware.Before("gate", check))(t.Context(), tool("x"))
			d, ok := errors.AsType[*middleware.DeniedError](err)
			if !ok || d.Err == nil {
				t.Fatal("the denial has no cause")
			}
			shown := map[string]any{"the denial": d, "its value": *d, "in a struct": struct{ Denied *middleware.DeniedError }{d}, "as an error": []error{err}}
			if p, ok := errors.AsType[*middleware.PanicError](err); ok {
				shown["the panic"], shown["its value "] = p, *p
			}
			for what, v := range shown {
				var log bytes.Buffer
				slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
				slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
				marshalled, err := json.Marshal(v)
				if err != nil {
					t.Error(err)
				}
				for how, text := range map[string]string{
					"%v": fmt.Sprintf("%v", v), "%+v": fmt.Sprintf("%+v", v), "%#v": fmt.Sprintf("%#v", v),
					"%s": fmt.Sprintf("%s", v), "%q": fmt.Sprintf("%q", v), "%x": fmt.Sprintf("%x", v),
					"slog": log.String(), "json": string(marshalled),
				} {
					if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || strings.Contains(text, "goroutine") {
						t.Errorf("%s of %s: got %s", how, what, text)
					}
				}
			}
		})
	}
}

// TestErrorsPrintAsErrors: what keeps causes from being shown keeps nothing else.
func TestErrorsPrintAsErrors(t *testing.T) {
	d := &middleware.DeniedError{Gate: "gate", Call: "shell", Code: "x", Reason: "no", Err: tellTale{"hunter2"}}
	p := &middleware.PanicError{Kind: middleware.KindTool, Call: "shell", Value: "hunter2", Stack: []byte("stack")}
	for _, tt := range []struct{ got, want string }{
		{fmt.Sprintf("%v", d), "shell: denied by gate: no (x)"},
		{fmt.Sprintf("%+v", *d), "shell: denied by gate: no (x)"},
		{fmt.Sprintf("%30s|", d), " shell: denied by gate: no (x)|"},
		{fmt.Sprintf("%q", d), `"shell: denied by gate: no (x)"`},
		{fmt.Sprintf("%#v", d), `&middleware.DeniedError{Gate:"gate", Call:"shell", Code:"x", Reason:"no"}`},
		{fmt.Sprintf("%v", p), "tool shell panicked"},
		{fmt.Sprintf("%-25s|", *p), "tool shell panicked      |"},
		{fmt.Sprintf("%#v", p), `&middleware.PanicError{Kind:4, Call:"shell"}`},
		{fmt.Sprint((*middleware.DeniedError)(nil)), "<nil>"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	marshalled, err := json.Marshal(d)
	if want := `{"Gate":"gate","Call":"shell","Code":"x","Reason":"no"}`; err != nil || string(marshalled) != want {
		t.Errorf("got %s, %v, want %s", marshalled, err, want)
	}
}
