//go:build !unix

package main

import "testing"

// makeFIFO returns what is no regular file either.
func makeFIFO(t *testing.T) (path string) { return t.TempDir() }
