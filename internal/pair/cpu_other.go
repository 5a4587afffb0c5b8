//go:build !linux

package pair

import "time"

// cpuTime stands in with wall time where no fine clock of the process is known.
func cpuTime() time.Duration { return time.Duration(time.Now().UnixNano()) }

func threadTime() time.Duration { return cpuTime() }
