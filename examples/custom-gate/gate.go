// Custom-gate is a gate of one's own, and its test.
package main

import (
	"context"
	"fmt"
	"strings"

	"example.com/safeconduct/middleware"
)

// gate begins

// NoSudo denies shell commands that ask for root, and a plan with one before it runs.
func NoSudo() middleware.Interceptor {
	return middleware.ToolCalls("no-sudo", func(_ context.Context, call middleware.ToolCall) error {
		if call.Tool() == "shell" && strings.Contains(call.Input, "sudo") {
			return middleware.Deny(middleware.CodePolicy, "agents do not get root")
		}
		return nil
	})
}

// gate ends

func main() {
	shell := func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: fmt.Sprintf("(ran %v)", call.Input)}, nil
	}
	guarded := middleware.Wrap(shell, middleware.Tell, NoSudo())
	for _, command := range []string{"ls", "sudo rm -rf /"} {
		res, err := guarded(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: command})
		fmt.Println(command, "->", res.Output, err)
	}
}
