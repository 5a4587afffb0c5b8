//go:build !linux

package osfile

import "os"

// Sync makes the content of f durable.
func Sync(f *os.File) error { return f.Sync() }

// Allocate does nothing here: room is made as files grow.
func Allocate(*os.File, int64) error { return nil }
