package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"io/fs"
	"runtime"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// hasMode reports whether a file has a mode. On Windows modes say nothing.
func hasMode(info fs.FileInfo, want fs.FileMode) bool {
	return runtime.GOOS == "windows" || info.Mode().Perm() == want
}

// open opens a ledger with a key of the test's, and closes it at the end.
func open(t testing.TB, dir string, cfg evidence.Config) *evidence.Recorder {
	t.Helper()
	return openOn(t, dir, cfg, evidence.Disk{})
}

// openOn is open on another disk.
func openOn(t testing.TB, dir string, cfg evidence.Config, disk evidence.Disk) *evidence.Recorder {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = ledgertest.Key(1)
	}
	r, err := evidence.OpenOn(dir, cfg, disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

var errBackend = errors.New("backend: user-4711 not found") // a message that must not be recorded

// agent runs a chain that plans, asks a model, uses a calculator and is denied a
// shell.
func agent(ctx context.Context, r *evidence.Recorder) error {
	deny := middleware.On(middleware.KindTool, middleware.Before("tools", func(_ context.Context, call middleware.Call) error {
		if call.Name != "calculator" {
			return middleware.Deny(middleware.CodeToolNotAllowed, "%s is not on the list", call.Name)
		}
		return nil
	}))
	wrap := func(h middleware.Handler) middleware.Handler {
		return middleware.Wrap(h, r.Intercept, middleware.Tell, deny)
	}
	model := wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{
			Output: &middleware.ModelResponse{Model: "m-1", Choices: []middleware.Choice{{
				StopReason: "tool_calls", ToolCalls: []middleware.ToolCall{{ID: "c1", Name: "calculator", Input: "19*23"}},
			}}},
			Usage: &middleware.Usage{InputTokens: 120, OutputTokens: 8, TotalTokens: 128, Reported: true},
		}, nil
	})
	tool := wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "437"}, nil
	})
	chain := wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if _, err := model(ctx, middleware.Call{Kind: middleware.KindModel, Name: "m", Input: &middleware.ModelRequest{
			Messages:    []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: "What is 19 * 23?", Size: 16}}}},
			Tools:       []string{"calculator", "shell"},
			Temperature: 0.2, MaxTokens: 100,
		}}); err != nil {
			return middleware.Result{}, err
		}
		if _, err := tool(ctx, middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}); err != nil {
			return middleware.Result{}, err
		}
		if _, err := tool(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "rm -rf /"}); err != nil {
			return middleware.Result{}, err
		}
		return middleware.Result{Output: map[string]any{"output": "437"}}, nil
	})
	ctx = middleware.WithIdentity(ctx, middleware.Identity{Session: "s-1", Subject: "alice", Tenant: "acme"})
	_, err := chain(ctx, middleware.Call{Kind: middleware.KindChain, Name: "agent", Input: map[string]any{"input": "What is 19 * 23?"}})
	return err
}

// sessionKey returns the key that a key.session introduces.
func sessionKey(t testing.TB, env []byte) ed25519.PublicKey {
	t.Helper()
	r, err := record.Parse(env)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(r.Session.Public)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PublicKey)
}

// Segments take every record that there can be, and find each again.
func TestSegmentsTakeRecords(t *testing.T) {
	if segment.MaxEntry != record.MaxEnvelope {
		t.Errorf("got segments of entries up to %d bytes, want %d", segment.MaxEntry, record.MaxEnvelope)
	}
	if env := record.AppendEnvelope(nil, []byte("{}")); !bytes.HasPrefix(env, []byte(segment.Begins)) {
		t.Errorf("got an envelope %.20s, want one that begins with %s", env, segment.Begins)
	}
}
