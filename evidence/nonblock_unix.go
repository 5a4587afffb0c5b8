//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package evidence

import "golang.org/x/sys/unix"

// openNonblock makes opening a FIFO no reason to wait.
const openNonblock = unix.O_NONBLOCK
