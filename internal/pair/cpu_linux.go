package pair

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU time that the process has used. Getrusage counts in
// ticks on some kernels; this clock does not.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic("pair: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
