//go:build unix

package collector_test

import (
	"strconv"
	"syscall"
)

// limitFiles has this process open no more than so many files.
func limitFiles(n string) error {
	most, err := strconv.ParseInt(n, 10, 31)
	if err != nil {
		return err
	}
	var l syscall.Rlimit // of signed or unsigned numbers
	for range most {
		l.Cur++
	}
	l.Max = l.Cur
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
