//go:build !linux

package evidence

import "os"

// syncFile makes the content of f durable.
func syncFile(f *os.File) error { return f.Sync() }

// allocate does nothing here: room is made as files grow.
func allocate(*os.File, int64) error { return nil }
