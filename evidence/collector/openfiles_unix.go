//go:build unix

package collector

import "syscall"

// maxOpenFiles returns how many files the process may have open, zero where that is not
// known.
func maxOpenFiles() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Cur), 1<<30)) //nolint:unconvert // some systems have it signed
}
