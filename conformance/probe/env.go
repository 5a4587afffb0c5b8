package probe

import (
	"encoding/json"
	"fmt"
	"os"

	"example.com/safeconduct/middleware"
)

// The environment variables by which the conformance tests speak to the test
// binaries of langchaingo.
const (
	EnvGuard  = "SAFECONDUCT_CONFORMANCE_GUARD"  // a Guard
	EnvCounts = "SAFECONDUCT_CONFORMANCE_COUNTS" // file for the counts, as JSON
)

// The values of EnvGuard.
const (
	GuardNone  = "none"
	GuardCount = "count" // a Counter
	GuardCopy  = "copy"  // Copy around a Counter
)

// FromEnv returns the interceptors that the environment asks for, nil where it
// asks for none, and the end of a TestMain: it writes the counts and exits.
func FromEnv() (guard []middleware.Interceptor, done func(code int)) {
	c := new(Counter)
	switch how := os.Getenv(EnvGuard); how {
	case GuardNone:
	case GuardCount:
		guard = []middleware.Interceptor{c.Intercept}
	case GuardCopy:
		guard = []middleware.Interceptor{Copy, c.Intercept}
	default:
		fmt.Fprintf(os.Stderr, "probe: %s is %q\n", EnvGuard, how)
		os.Exit(2)
	}
	return guard, func(code int) {
		counts, err := json.Marshal(c.Counts())
		if err == nil {
			err = os.WriteFile(os.Getenv(EnvCounts), counts, 0o600)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "probe: %v\n", err)
			code = 2
		}
		os.Exit(code)
	}
}
