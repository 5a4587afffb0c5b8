package pair

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	const clockProcessCPUTimeID = 2
	var ts syscall.Timespec
	// Getrusage counts in ticks on some kernels; this clock does not.
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPUTimeID, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		panic("pair: clock_gettime: " + errno.Error())
	}
	return time.Duration(ts.Nano())
}
