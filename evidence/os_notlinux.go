//go:build !linux

package evidence

import "os"

// syncFile makes the content of f durable.
func syncFile(f *os.File) error { return f.Sync() }
