package evidence_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
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
