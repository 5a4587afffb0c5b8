package gates_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/safeconduct/gates"
)

var bg = context.Background()

// A tester is a testing.T or a rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// charge asks n tokens of an account that may have limit.
func charge(account string, limit, n int64) gates.Charge {
	return gates.Charge{Account: account, Max: gates.Amounts{gates.DimTokens: limit}, Ask: gates.Amounts{gates.DimTokens: n}}
}

func reservation(id string, ttl time.Duration, charges ...gates.Charge) gates.Reservation {
	return gates.Reservation{ID: id, TTL: ttl, Charges: charges}
}

func tokens(n ...int64) (all []gates.Amounts) {
	for _, n := range n {
		all = append(all, gates.Amounts{gates.DimTokens: n})
	}
	return all
}

// account returns what is used and held of an account, by a reservation of
// nothing.
func account(t tester, s gates.Store, name string) (used, held int64) {
	t.Helper()
	id := fmt.Sprint("look at ", name)
	all, err := s.Reserve(bg, reservation(id, time.Nanosecond, charge(name, math.MaxInt64, 0)))
	if err != nil || len(all) != 1 {
		t.Fatalf("got %+v and error %v", all, err)
	}
	if err := s.Release(bg, id); err != nil {
		t.Fatal(err)
	}
	return all[0].Used[gates.DimTokens], all[0].Held[gates.DimTokens]
}

func wantAccount(t tester, s gates.Store, name string, used, held int64) {
	t.Helper()
	if u, h := account(t, s, name); u != used || h != held {
		t.Errorf("%s: got %d used and %d held, want %d and %d", name, u, h, used, held)
	}
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clocked returns a Memory with a clock to set.
func clocked() (*gates.Memory, *time.Duration) {
	now := new(time.Duration)
	return gates.MemoryByClock(func() time.Duration { return *now }), now
}

// TestStoreTogether checks that charges are held all or none.
func TestStoreTogether(t *testing.T) {
	s := gates.NewMemory()
	standing, err := s.Reserve(bg, reservation("1", minute, charge("a", 10, 4), charge("b", 5, 3)))
	must(t, err)
	if len(standing) != 2 || standing[0].Held[gates.DimTokens] != 4 || standing[1].Held[gates.DimTokens] != 3 {
		t.Errorf("got %+v, want 4 and 3 held", standing)
	}
	_, err = s.Reserve(bg, reservation("2", minute, charge("a", 10, 4), charge("b", 5, 3)))
	var over *gates.LimitError
	if !errors.As(err, &over) || *over != (gates.LimitError{Charge: 1, Dim: gates.DimTokens, Asked: 3, Left: 2}) {
		t.Errorf("got error %v, want what does not fit", err)
	}
	if want := "gates: budget: charge 1: tokens: asked 3, left 2"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	wantAccount(t, s, "a", 0, 4)
	must(t, s.Settle(bg, "1", tokens(20, 1))) // more than was asked, and less
	wantAccount(t, s, "a", 20, 0)
	wantAccount(t, s, "b", 1, 0)
	if err := s.Settle(bg, "2", tokens(1, 1)); !errors.Is(err, gates.ErrNoReservation) {
		t.Errorf("what was not held: got error %v, want %v", err, gates.ErrNoReservation)
	}
}

// TestStoreIdempotent checks that what is tried again counts once.
func TestStoreIdempotent(t *testing.T) {
	s := gates.NewMemory()
	for range 3 {
		_, err := s.Reserve(bg, reservation("1", minute, charge("a", 10, 6)))
		must(t, err)
	}
	wantAccount(t, s, "a", 0, 6)
	for _, n := range []int64{4, 4, 9} {
		must(t, s.Settle(bg, "1", tokens(n)))
	}
	must(t, s.Release(bg, "1"))
	wantAccount(t, s, "a", 4, 0)
	_, err := s.Reserve(bg, reservation("1", minute, charge("a", 10, 6))) // a Reserve that comes late
	must(t, err)
	wantAccount(t, s, "a", 4, 0)

	_, err = s.Reserve(bg, reservation("2", minute, charge("a", 10, 6)))
	must(t, err)
	for range 2 {
		must(t, s.Release(bg, "2"))
	}
	must(t, s.Settle(bg, "2", tokens(5))) // the first end counts
	wantAccount(t, s, "a", 4, 0)
	must(t, s.Release(bg, "nobody"))
}

// TestStoreExpires checks a crash between reserve and settle: what was held goes
// back, once, and is charged if the settlement comes after all, once.
func TestStoreExpires(t *testing.T) {
	s, now := clocked()
	_, err := s.Reserve(bg, reservation("crashed", minute, charge("a", 10, 6)))
	must(t, err)
	*now += 30 * time.Second
	_, err = s.Reserve(bg, reservation("late", minute, charge("a", 10, 4)))
	must(t, err)
	*now += 30 * time.Second
	wantAccount(t, s, "a", 0, 4) // the first one's minute is over
	*now += 30 * time.Second
	wantAccount(t, s, "a", 0, 0)
	for range 2 {
		must(t, s.Settle(bg, "late", tokens(3)))
		wantAccount(t, s, "a", 3, 0)
	}
	must(t, s.Release(bg, "crashed"))
	must(t, s.Settle(bg, "crashed", tokens(3)))
	wantAccount(t, s, "a", 3, 0)
	*now += 10 * minute
	if err := s.Settle(bg, "late", tokens(3)); !errors.Is(err, gates.ErrNoReservation) {
		t.Errorf("long after: got error %v, want %v", err, gates.ErrNoReservation)
	}
	wantAccount(t, s, "a", 3, 0)
	if holds, _ := s.Known(); holds > 1 {
		t.Errorf("got %d reservations remembered, want them forgotten", holds)
	}
}

func TestStoreNonsense(t *testing.T) {
	s := gates.NewMemory()
	for name, r := range map[string]gates.Reservation{
		"no ID":          reservation("", minute, charge("a", 10, 1)),
		"no TTL":         reservation("1", 0, charge("a", 10, 1)),
		"negative TTL":   reservation("1", -1, charge("a", 10, 1)),
		"negative ask":   reservation("1", minute, charge("a", 10, -1)),
		"negative limit": reservation("1", minute, charge("a", -10, 1)),
	} {
		if _, err := s.Reserve(bg, r); err == nil || !strings.HasPrefix(err.Error(), "gates: budget: ") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	_, err := s.Reserve(bg, reservation("1", minute, charge("a", 10, 1)))
	must(t, err)
	if err := s.Settle(bg, "1", nil); err == nil {
		t.Error("a settlement of no charges: got no error")
	}
	must(t, s.Settle(bg, "1", tokens(math.MinInt64))) // takes nothing back
	wantAccount(t, s, "a", 0, 0)

	ended, cancel := context.WithCancel(bg)
	cancel()
	_, err = s.Reserve(ended, reservation("2", minute, charge("a", 10, 1)))
	for _, err := range []error{err, s.Settle(ended, "1", tokens(1)), s.Release(ended, "1")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want that of the context", err)
		}
	}
}

// TestStoreSaturates checks that nothing wraps around.
func TestStoreSaturates(t *testing.T) {
	s := gates.NewMemory()
	const most = math.MaxInt64
	for i := range 3 {
		id := fmt.Sprint(i)
		_, err := s.Reserve(bg, reservation(id, most, charge("a", most, most/2)))
		if i == 2 {
			var over *gates.LimitError
			if !errors.As(err, &over) || over.Left != 1 {
				t.Errorf("got error %v, want one left", err)
			}
			continue
		}
		must(t, err)
	}
	must(t, s.Settle(bg, "0", tokens(most)))
	must(t, s.Settle(bg, "1", tokens(most)))
	wantAccount(t, s, "a", most, 0)
	_, err := s.Reserve(bg, reservation("4", minute, charge("a", most, 1)))
	if over := new(gates.LimitError); !errors.As(err, &over) || over.Left != 0 {
		t.Errorf("got error %v, want nothing left", err)
	}
}

// A promise is a reservation of the reference: one account without a window and
// one with.
type promise struct {
	ask, at, ttl int64
	window       int64 // number of the window that it was made in
	state        int   // 0 open, 1 expired, 2 ended
}

// TestStoreAgainstReference carries out random reservations, ends and waits,
// under a clock that also goes back, and holds them against a reference that
// says as simply as can be what should come of them.
func TestStoreAgainstReference(t *testing.T) {
	const window, limit, perWindow = 50, 40, 25
	rapid.Check(t, func(t *rapid.T) {
		now, last := int64(1000), int64(1000)
		s := gates.MemoryByClock(func() time.Duration { return time.Duration(now) })
		promises := map[string]*promise{}
		must(t, s.Release(bg, "nobody")) // reads the clock
		var used, usedNow, windows int64 // windows begun so far
		began := int64(-window)
		tick := func() {
			must(t, s.Release(bg, "nobody")) // reads the clock too
			last = max(last, now)
			for _, p := range promises {
				if p.state == 0 && p.at+p.ttl <= last {
					p.state = 1
				}
			}
		}
		held := func() (all, inWindow int64) {
			for _, p := range promises {
				if p.state == 0 {
					all += p.ask
					if p.window == windows {
						inWindow += p.ask
					}
				}
			}
			return all, inWindow
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "id"))
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				p := &promise{ask: rapid.Int64Range(0, 15).Draw(t, "ask"), ttl: rapid.Int64Range(1, 80).Draw(t, "ttl")}
				tick()
				known := promises[id]
				if known != nil && known.at+2*known.ttl <= last {
					continue // may be forgotten, or not: not said
				}
				standing, err := s.Reserve(bg, reservation(id, time.Duration(p.ttl), charge("all", limit, p.ask),
					gates.Charge{Account: "w", Window: window, Max: gates.Amounts{gates.DimTokens: perWindow}, Ask: gates.Amounts{gates.DimTokens: p.ask}}))
				if known != nil {
					must(t, err)
					continue
				}
				if last-began >= window {
					began, usedNow = last, 0
					windows++
				}
				all, inWindow := held()
				fits := p.ask == 0 || used+all+p.ask <= limit && usedNow+inWindow+p.ask <= perWindow
				if (err == nil) != fits {
					t.Fatalf("got error %v with %d used, %d held, and %d used and %d held in the window; want that %d fits: %v", err, used, all,
						usedNow, inWindow, p.ask, fits)
				}
				if err != nil {
					continue
				}
				p.at, p.window = last, windows
				promises[id] = p
				if standing[0].Used[gates.DimTokens] != used || standing[0].Held[gates.DimTokens] != all+p.ask ||
					standing[1].Used[gates.DimTokens] != usedNow || standing[1].Held[gates.DimTokens] != inWindow+p.ask {
					t.Fatalf("got %+v, want %d and %d, %d and %d", standing, used, all+p.ask, usedNow, inWindow+p.ask)
				}
			case 2:
				n := rapid.Int64Range(0, 20).Draw(t, "used")
				tick()
				p := promises[id]
				if p != nil && p.at+2*p.ttl <= last {
					continue
				}
				err := s.Settle(bg, id, slices.Concat(tokens(n), tokens(n)))
				if p == nil {
					if !errors.Is(err, gates.ErrNoReservation) {
						t.Fatalf("got error %v, want %v", err, gates.ErrNoReservation)
					}
					continue
				}
				must(t, err)
				if p.state != 2 {
					used += n
					if p.window == windows {
						usedNow += n
					}
				}
				p.state = 2
			case 3:
				tick()
				must(t, s.Release(bg, id))
				if p := promises[id]; p != nil {
					p.state = 2
				}
			case 4:
				now += rapid.Int64Range(-60, 60).Draw(t, "wait")
			}
		}
		tick()
		all, _ := held()
		wantAccount(t, s, "all", used, all)
	})
}
