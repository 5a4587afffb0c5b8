package evidence_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// With the race detector a process sleeps for a second before it ends, for
	// goroutines that it leaves behind: those that tests start leave none.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	if os.Getenv(shipTo) != "" {
		ship()
		return
	}
	if os.Getenv(crashDir) != "" {
		crash()
		return
	}
	if os.Getenv(writerDir) != "" {
		writeUntilTold()
		return
	}
	if os.Getenv(keyPath) != "" {
		printKey()
		return
	}
	goleak.VerifyTestMain(m)
}
