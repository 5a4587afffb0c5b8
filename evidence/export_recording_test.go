package evidence

import (
	"reflect"
	"strings"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

// NilStatus returns an error that is a nil pointer.
func NilStatus() error { return (*delivery.StatusError)(nil) }

// Classes returns what kinds of errors err is made of.
func Classes(err error) []string { return classes(err) }

// LongError returns an error whose type has a name of n bytes and more.
func LongError(n int) error {
	named := reflect.StructOf([]reflect.StructField{
		{Name: "E", Type: reflect.TypeFor[error](), Anonymous: true},
		{Name: "X" + strings.Repeat("x", n), Type: reflect.TypeFor[int]()},
	})
	return reflect.New(named).Elem().Interface().(error)
}

// Commit commits to a content as it is recorded, and returns what opens it.
func Commit(input any) (record.Content, record.Disclosure) {
	snap, _ := snapshot(input)
	c, encoded := newCommitter().commit(record.ContentInput, snap, true)
	return c, record.Disclosure{Encoded: encoded}
}

// Unquoted returns s with nothing between its quotes.
func Unquoted(s string) string { return unquoted(s) }

// Snapshot returns what is kept of a content until it is encoded.
func Snapshot(input any) any { snap, _ := snapshot(input); return snap }
