package langchaingo

import (
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/vectorstores"
)

// mayHold reports whether a value of type t can hold what makes calls.
func (f *finder) mayHold(t reflect.Type) bool {
	if _, known := f.holds[t]; !known {
		f.holds[t] = mayHold(t, make(map[reflect.Type]bool))
	}
	return f.holds[t]
}

func mayHold(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch {
	case isCaller(t):
		return true
	case seen[t], ofStandardLibrary(t), t == reflect.TypeFor[error](), t == reflect.TypeFor[schema.Document](),
		t.PkgPath() == reflect.TypeFor[llms.MessageContent]().PkgPath(): // what is said, and how it is asked for
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return mayHold(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if mayHold(t.Field(i).Type, seen) {
				return true
			}
		}
	default:
	}
	return false
}

// hasCallers reports whether the elements of a map are what makes calls, or have it in
// their fields, such as the routes of a router.
func hasCallers(t reflect.Type) bool {
	if isCaller(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return hasCallers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i).Type; isCaller(f) || f.Kind() == reflect.Slice && isCaller(f.Elem()) {
				return true
			}
		}
	default:
	}
	return false
}

// isCaller reports whether all of type t make calls, or are guarded.
func isCaller(t reflect.Type) bool {
	return slices.ContainsFunc([]reflect.Type{
		reflect.TypeFor[guardedThing](), reflect.TypeFor[tools.Tool](), reflect.TypeFor[llms.Model](),
		reflect.TypeFor[schema.Retriever](), reflect.TypeFor[agents.Agent](), reflect.TypeFor[chains.Chain](),
	}, func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) })
}

func isStore(v any) bool {
	_, is := v.(vectorstores.VectorStore)
	return is
}

// isClient reports whether t is the type of a model that can embed.
func isClient(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && t.Implements(reflect.TypeFor[embedder]())
}

// hasLock reports whether a struct has a lock: what is in it changes while it is used.
func hasLock(t reflect.Type) bool {
	for i := range t.NumField() {
		switch f := t.Field(i).Type; {
		case f == reflect.TypeFor[sync.Mutex](), f == reflect.TypeFor[sync.RWMutex](),
			f == reflect.TypeFor[*sync.Mutex](), f == reflect.TypeFor[*sync.RWMutex](), f.Kind() == reflect.Struct && hasLock(f):
			return true
		}
	}
	return false
}

// isSteady reports whether a field of what others use at the same time is looked at: what
// a chain is made of hardly changes, and of what does change most can hold nothing.
func (f *finder) isSteady(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return t.NumMethod() > 0 && f.mayHold(t)
	case reflect.Slice:
		return f.isSteady(t.Elem())
	case reflect.Map:
		return false
	default:
		return f.mayHold(t)
	}
}

// of returns in as it is in what is of v's module.
func (in part) of(v any) part {
	if t := reflect.TypeOf(v); t != nil {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		in.module = moduleOf(t)
	}
	return in
}

// moduleOf returns the first part of a package's path, which tells modules apart.
func moduleOf(t reflect.Type) string {
	path := strings.SplitN(t.PkgPath(), "/", 4)
	n := 2
	if slices.Contains([]string{"github.com", "gitlab.com", "bitbucket.org"}, path[0]) {
		n = 3
	}
	return strings.Join(path[:min(n, len(path))], "/")
}

// isClients reports whether t is of a module that is neither the program's nor that of
// what has it, nor langchaingo: it locks as it sees fit.
func (f *finder) isClients(t reflect.Type, in part) bool {
	if f.program == "" {
		f.program = "main"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
			f.program = info.Main.Path
		}
	}
	switch path := t.PkgPath(); {
	case path == "", path == "main", strings.HasPrefix(path+"/", f.program+"/"), moduleOf(t) == in.module,
		moduleOf(t) == moduleOf(reflect.TypeFor[chains.LLMChain]()):
		return false
	}
	return true
}

// ofStandardLibrary reports whether t is of a package of the standard library that holds
// none of langchaingo's things, and may change them at any time.
func ofStandardLibrary(t reflect.Type) bool {
	root, _, _ := strings.Cut(t.PkgPath(), "/")
	return slices.Contains([]string{
		"bufio", "bytes", "compress", "container", "context",
		"crypto", "database", "encoding", "errors", "fmt", "hash", "io", "log", "mime",
		"net", "os", "reflect", "regexp", "runtime", "strconv", "strings", "sync", "syscall", "testing", "time", "unicode",
	}, root)
}
