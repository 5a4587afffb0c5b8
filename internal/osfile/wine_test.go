//go:build !windows

package osfile_test

func isWine() bool { return false }
