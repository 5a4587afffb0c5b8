package foreign_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"example.com/safeconduct/internal/foreign"
)

// broken panics wherever it is asked, as the nil pointer in an error does.
func broken() error {
	var e *fs.PathError
	return e
}

func TestBrokenErrorsAreAsked(t *testing.T) {
	want := &os.LinkError{Op: "link", Err: io.EOF}
	for name, test := range map[string]struct {
		err      error
		is, link bool
		rude     bool // a method panics
	}{
		"nil":                    {},
		"typed nil":              {err: broken(), rude: true},
		"typed nil that wraps":   {err: fmt.Errorf("x: %w", broken()), rude: true},
		"whole":                  {err: fmt.Errorf("x: %w", want), is: true, link: true},
		"found before it breaks": {err: errors.Join(want, broken()), is: true, link: true, rude: true},
		"broken before it":       {err: errors.Join(broken(), want), rude: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := foreign.Is(test.err, io.EOF); got != test.is {
				t.Errorf("Is: got %v, want %v", got, test.is)
			}
			got, ok := foreign.As[*os.LinkError](test.err)
			if ok != test.link || ok && got != want || !ok && got != nil {
				t.Errorf("As: got %v, %v, want %v", got, ok, test.link)
			}
			if got := foreign.Sound(test.err); got == test.rude {
				t.Errorf("Sound: got %v, want %v", got, !test.rude)
			}
		})
	}
}
