package shown

import (
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Panicked says that who panicked and where, as in "the gate panicked at gate.go:17".
// What it panicked with is not shown: it may hold what a user wrote. Panicked must be
// called by the deferred func that recovered, or by what that calls.
//
// The place is the innermost one outside of the standard library or, in a program built
// with -trimpath, outside of the runtime. Where it cannot be found, none is shown.
func Panicked(who string) string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	library, panicked := "", false
	for {
		frame, more := frames.Next()
		switch {
		case !panicked:
			if panicked = frame.Function == "runtime.gopanic"; panicked {
				library = strings.TrimSuffix(frame.File, "runtime/panic.go")
			}
		case !inLibrary(frame.File, library):
			return who + " panicked at " + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return who + " panicked"
		}
	}
}

// inLibrary reports whether a file is of the standard library, the folder of which is not
// known where the program was built with -trimpath.
func inLibrary(file, library string) bool {
	if library == "" {
		return strings.HasPrefix(file, "runtime/") || strings.HasPrefix(file, "internal/")
	}
	return strings.HasPrefix(file, library)
}
