package gates_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/safeconduct/gates"
)

var errStore = errors.New("dial tcp 10.0.0.7:6379: secret")

var errMute = errors.New("mute")

// A faulty is a Store that does what fail says before it passes on a request.
type faulty struct {
	gates.Store
	fail func(ctx context.Context, what string) error

	mu   sync.Mutex
	asks []string
}

func (s *faulty) ask(ctx context.Context, what string) error {
	s.mu.Lock()
	s.asks = append(s.asks, what)
	s.mu.Unlock()
	return s.fail(ctx, what)
}

func (s *faulty) Reserve(ctx context.Context, r gates.Reservation) ([]gates.Standing, error) {
	switch err := s.ask(ctx, "reserve"); err {
	case nil:
	case errMute: // says that it holds, and not what
		return nil, nil
	default:
		return nil, err
	}
	return s.Store.Reserve(ctx, r)
}

func (s *faulty) Settle(ctx context.Context, id string, used []gates.Amounts) error {
	if err := s.ask(ctx, "settle"); err != nil {
		return err
	}
	return s.Store.Settle(ctx, id, used)
}

func (s *faulty) Release(ctx context.Context, id string) error {
	if err := s.ask(ctx, "release"); err != nil {
		return err
	}
	return s.Store.Release(ctx, id)
}

// failures are the ways in which a Store fails.
var failures = map[string]func(ctx context.Context, what string) error{
	"down": func(context.Context, string) error { return errStore },
	"hung": func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
	"slow": func(ctx context.Context, _ string) error { // answers when nobody waits any more
		select {
		case <-time.After(10 * time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	},
	"panics": func(context.Context, string) error { panic("at the disco") },
	"wrong":  func(context.Context, string) error { return &gates.LimitError{Charge: 7, Dim: 99} },
	"mute":   func(context.Context, string) error { return errMute },
}

// A lossy is a Store whose answers get lost at times: what was asked was done.
type lossy struct {
	gates.Store
	lose func(what string) bool
}

func (s *lossy) answer(what string, err error) error {
	if s.lose(what) {
		return errStore
	}
	return err
}

func (s *lossy) Reserve(ctx context.Context, r gates.Reservation) ([]gates.Standing, error) {
	all, err := s.Store.Reserve(ctx, r)
	return all, s.answer("reserve", err)
}

func (s *lossy) Settle(ctx context.Context, id string, used []gates.Amounts) error {
	return s.answer("settle", s.Store.Settle(ctx, id, used))
}

func (s *lossy) Release(ctx context.Context, id string) error {
	return s.answer("release", s.Store.Release(ctx, id))
}
