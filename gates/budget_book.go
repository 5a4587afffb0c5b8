package gates

import (
	"errors"
	"sync"
	"time"
)

// An account counts against one set of limits. It belongs to a book, whose lock
// it needs.
type account struct {
	used, reserved Amounts

	window time.Duration // zero for none
	began  time.Duration // the window, by the book's clock
	opened bool          // a window has begun
	gone   bool          // forgotten by its book: the next one of its name is another
	open   int           // reservations that have not ended, though they may have expired
}

// windowOver reports whether the account's window is over, or has not begun.
func (a *account) windowOver(now time.Duration) bool {
	return a.window > 0 && (!a.opened || now-a.began >= a.window)
}

// empty reports whether a new account in its place would be the same.
func (a *account) empty() bool { return a.open == 0 && a.used == Amounts{} && a.reserved == Amounts{} }

// beginWindow begins a new window where the last one is over.
func (a *account) beginWindow(now time.Duration) {
	if a.windowOver(now) {
		a.used, a.reserved = Amounts{}, Amounts{}
		a.began, a.opened = now, true
	}
}

// counts reports whether what happened at a time counts in the account's window.
func (a *account) counts(at time.Duration) bool { return a.window == 0 || a.began <= at }

// left returns how much of a limit is left.
func (a *account) left(limit int64, d Dim) int64 {
	return max(limit-sum(a.used[d], a.reserved[d]), 0)
}

// A posting is what one call takes from one account.
type posting struct {
	of  *account
	max *Amounts // zero for no limit
	ask Amounts  // zero where there is no limit
}

// A bookReservation is what one call reserved in a book. Its first end counts: once it
// is settled or released, nothing happens to it any more.
type bookReservation struct {
	postings []posting
	at       time.Duration // when it was made
	expires  time.Duration
	state    reservationState

	id     string        // in a Memory
	forget time.Duration // in a Memory: when

	older, newer *bookReservation // in the book's list, by expires
}

type reservationState uint8

const (
	reservationOpen    reservationState = iota
	reservationExpired                  // what was reserved went back
	reservationEnded                    // settled or released
)

// A book is accounts that are charged together, under one lock.
type book struct {
	mu             sync.Mutex
	clock          func() time.Duration // monotonic
	last           time.Duration        // the latest time that the clock has read
	oldest, newest *bookReservation

	accounts map[string]*account
	room     int // accounts that there may be
	sweepAt  int // accounts, at which to forget those without use
	swept    time.Duration
}

// lock takes the lock. It is held for a fraction of a microsecond, and to be
// parked and woken takes many times that where the processors are busy; a Mutex
// whose waiters wait for a millisecond hands over from one to the next, with all
// of them parked. So callers try for a while.
func (b *book) lock() {
	for range 100 {
		if b.mu.TryLock() {
			return
		}
	}
	b.mu.Lock()
}

func newBook() book { return book{clock: monotonic(), room: maxAccounts} }

// monotonic returns a clock that reads the time since now. Setting the wall
// clock does not move it: time.Since uses the monotonic reading of a Time.
func monotonic() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// now returns the time, which never goes back, whatever the clock does, and is
// never negative. It needs the lock.
func (b *book) now() time.Duration {
	b.last = max(b.last, b.clock())
	return b.last
}

// A shortage is what there is not enough left of: for posting i, in one Dim.
type shortage struct {
	i           int
	dim         Dim
	asked, left int64
}

// findShortage returns what does not fit, first by Dim and then by posting, and
// whether all fits. It needs the lock.
func findShortage(postings []posting) (shortage, bool) {
	for d := range Dim(Dims) {
		for i := range postings {
			p := &postings[i]
			if n := p.ask[d]; n != 0 {
				if left := p.of.left(p.max[d], d); n > left {
					return shortage{i, d, n, left}, false
				}
			}
		}
	}
	return shortage{}, true
}

// reserve reserves what the postings ask, in all accounts or in none. It needs the
// lock.
func (b *book) reserve(r *bookReservation, ttl time.Duration) (shortage, bool) {
	now := b.now()
	b.expire(now)
	for i := range r.postings {
		r.postings[i].of.beginWindow(now)
	}
	if m, ok := findShortage(r.postings); !ok {
		return m, false
	}
	for i := range r.postings {
		p := &r.postings[i]
		p.of.open++
		for d, n := range p.ask {
			p.of.reserved[d] = sum(p.of.reserved[d], n)
		}
	}
	r.at, r.expires = now, time.Duration(sum(int64(now), int64(ttl)))
	b.insert(r)
	return shortage{}, true
}

// grow reserves what the postings of a reservation ask beyond what they have, in all
// accounts or in none. Of one that has expired it finds out only whether all would
// fit. It needs the lock.
func (b *book) grow(r *bookReservation, ask func(i int) Amounts) (shortage, bool) {
	b.expire(b.now())
	all := make([]Amounts, len(r.postings))
	for i := range r.postings {
		p := &r.postings[i]
		if !p.of.counts(r.at) {
			continue // the window is over: its successor owes nothing
		}
		all[i] = ask(i)
		for d, n := range all[i] {
			have := p.ask[d]
			if r.state != reservationOpen {
				have = 0
			}
			if left := p.of.left(p.max[d], Dim(d)); n-have > left {
				return shortage{i, Dim(d), n, sum(have, left)}, false
			}
		}
	}
	for i := range r.postings {
		p := &r.postings[i]
		for d, n := range all[i] {
			if more := n - p.ask[d]; more > 0 && r.state == reservationOpen {
				p.of.reserved[d] = sum(p.of.reserved[d], more)
				p.ask[d] = n
			}
		}
	}
	return shortage{}, true
}

// settle charges what was used in place of what was reserved. What expired before is
// charged all the same, once. It needs the lock.
func (b *book) settle(r *bookReservation, used []Amounts) {
	b.lapse()
	b.end(r)
	if r.state == reservationEnded {
		return
	}
	defer r.close()
	for i := range r.postings {
		of := r.postings[i].of
		if !of.counts(r.at) {
			continue // the window is over: its successor owes nothing
		}
		for d, n := range used[i] {
			of.used[d] = sum(of.used[d], max(n, 0))
		}
	}
}

// release gives back what was reserved. It needs the lock.
func (b *book) release(r *bookReservation) {
	b.end(r)
	r.close()
}

// close keeps of a reservation no more than that it has ended.
func (r *bookReservation) close() {
	for i := range r.postings {
		r.postings[i].of.open--
	}
	r.state, r.postings = reservationEnded, nil
}

// end gives back what was reserved, if it still is.
func (b *book) end(r *bookReservation) {
	if r.state != reservationOpen {
		return
	}
	b.unlink(r)
	for i := range r.postings {
		p := &r.postings[i]
		if !p.of.counts(r.at) {
			continue
		}
		for d, n := range p.ask {
			p.of.reserved[d] -= n
		}
	}
}

// expire gives back what has been reserved for too long. It needs the lock.
func (b *book) expire(now time.Duration) {
	for r := b.oldest; r != nil && r.expires <= now; r = b.oldest {
		b.end(r)
		r.state = reservationExpired
	}
}

// lapse is expire by the clock, at which it does not look where nothing is reserved.
// It needs the lock.
func (b *book) lapse() {
	if b.oldest != nil {
		b.expire(b.now())
	}
}

// insert puts a reservation in its place in the list, which is at the end where all
// live equally long.
func (b *book) insert(r *bookReservation) {
	older := b.newest
	for older != nil && older.expires > r.expires {
		older = older.older
	}
	r.older = older
	if older == nil {
		r.newer, b.oldest = b.oldest, r
	} else {
		r.newer, older.newer = older.newer, r
	}
	if r.newer == nil {
		b.newest = r
	} else {
		r.newer.older = r
	}
}

func (b *book) unlink(r *bookReservation) {
	if r.older == nil {
		b.oldest = r.newer
	} else {
		r.older.newer = r.newer
	}
	if r.newer == nil {
		b.newest = r.older
	} else {
		r.newer.older = r.older
	}
	r.older, r.newer = nil, nil
}

const (
	firstSweep  = 1024
	sweepEvery  = time.Second
	maxAccounts = 1 << 20
)

var errTooManyAccounts = errors.New("gates: budget: too many accounts")

// account returns the account of a name, made on first use. Those whose window
// is over, and those of which nothing is to be remembered, are forgotten when there
// are many. It needs the lock.
func (b *book) account(name string, window time.Duration) (*account, error) {
	if a := b.accounts[name]; a != nil {
		return a, nil
	}
	if b.accounts == nil {
		b.accounts, b.sweepAt = make(map[string]*account), firstSweep
	}
	if n := len(b.accounts); n >= b.sweepAt || n >= b.room {
		b.sweep()
	}
	if len(b.accounts) >= b.room {
		return nil, errTooManyAccounts
	}
	a := &account{window: window}
	b.accounts[name] = a
	return a, nil
}

// sweep forgets the accounts whose window is over, or which are empty. It needs the
// lock.
func (b *book) sweep() {
	now := b.now()
	if len(b.accounts) < b.sweepAt && now-b.swept < sweepEvery {
		return // there is no room, and was none a moment ago
	}
	b.swept = now
	b.expire(now)
	for name, a := range b.accounts {
		if a.windowOver(now) || a.empty() {
			a.gone = true
			delete(b.accounts, name)
		}
	}
	b.sweepAt = max(firstSweep, 2*len(b.accounts))
}
