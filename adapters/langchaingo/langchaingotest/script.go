package langchaingotest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A script gives answers in order. It is safe for concurrent use.
type script struct {
	whose string // "model", or "tool pay"

	mu      sync.Mutex
	answers []Answer
	asked   int
	beyond  []error // about requests that came after the end
}

// start has the script give these answers, and be held to its end when the test is over.
func (s *script) start(tb testing.TB, whose string, answers []Answer) {
	for i, a := range answers {
		if a.always && i < len(answers)-1 {
			panic(fmt.Sprintf("langchaingotest: %s: answer %d is for always, and %d follow it, which nobody would get",
				whose, i+1, len(answers)-1-i))
		}
	}
	s.whose, s.answers = whose, slices.Clone(answers)
	if tb != nil {
		tb.Helper()
		tb.Cleanup(func() {
			tb.Helper()
			s.check(tb)
		})
	}
}

// check fails the test if the script was not followed.
func (s *script) check(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	beyond, asked, want := s.beyond, s.asked, len(s.answers)
	s.mu.Unlock()
	for _, err := range beyond {
		tb.Error(err)
	}
	if n := s.left(); n > 0 {
		tb.Errorf("langchaingotest: %s: got %d requests, want %d: nobody asked for answer %d, %s",
			s.whose, asked, want, asked+1, s.answers[asked].shown())
	}
}

// next returns the answer to the next request, of which last is shown where there is
// none.
func (s *script) next(last func() string) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.asked
	s.asked++
	switch {
	case n < len(s.answers):
		return s.answers[n], nil
	case len(s.answers) > 0 && s.answers[len(s.answers)-1].always:
		return s.answers[len(s.answers)-1], nil
	}
	err := fmt.Errorf("langchaingotest: %s: the script of %d answers has run out, and request %d came: %s",
		s.whose, len(s.answers), n+1, last())
	s.beyond = append(s.beyond, err)
	return Answer{}, err
}

// left returns how many answers nobody has asked for.
func (s *script) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.answers)
	if n > 0 && s.answers[n-1].always {
		n--
	}
	return max(n-s.asked, 0)
}

// pause lets the time before an answer pass.
func (a Answer) pause(ctx context.Context) error {
	if a.wait > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(a.wait):
		}
	}
	return ctx.Err()
}

// shown is the answer for people.
func (a Answer) shown() string {
	switch {
	case a.err != nil:
		return "the error " + a.err.Error()
	case a.isRaw:
		return "a response of its own"
	case len(a.calls) > 0:
		return "a call of " + a.calls[0].Name
	}
	return head(a.text())
}

// maxShown is how many runes of a text are shown.
const maxShown = 120

// head quotes a text, and the beginning of one that is long.
func head(text string) string {
	if r := []rune(text); len(r) > maxShown {
		return strconv.Quote(string(r[:maxShown])) + "..."
	}
	return strconv.Quote(text)
}

// tail quotes a text, and the end of one that is long.
func tail(text string) string {
	if r := []rune(text); len(r) > maxShown {
		return "..." + strconv.Quote(string(r[len(r)-maxShown:]))
	}
	return strconv.Quote(text)
}
