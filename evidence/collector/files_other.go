//go:build !unix

package collector

// files returns how many files the process may have open: here that is not known.
func files() int { return 0 }
