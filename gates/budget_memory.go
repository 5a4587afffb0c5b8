package gates

import (
	"context"
	"fmt"
	"time"
)

// A Memory is a [Store] that keeps accounts in the memory of one process, for
// budgets that are to share them. It keeps a million accounts, and refuses new
// ones beyond that: where there are many it forgets those whose window has ended
// and those of which nothing is used or reserved, the others never. It is safe for
// concurrent use. Make one with [NewMemory].
type Memory struct {
	book         book
	reservations map[string]*bookReservation

	inOrder []*bookReservation // the same, in the order in which they were made
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{book: newBook(), reservations: make(map[string]*bookReservation)}
}

// Reserve implements [Store].
func (m *Memory) Reserve(ctx context.Context, r Reservation) ([]Standing, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.ID == "" || r.TTL <= 0 {
		return nil, fmt.Errorf("gates: budget: a reservation needs an ID and a TTL")
	}
	b := &m.book
	b.mu.Lock()
	defer b.mu.Unlock()
	m.forget()
	postings := make([]posting, len(r.Charges))
	for i, c := range r.Charges {
		for d, n := range c.Ask {
			if n < 0 || c.Max[d] < 0 {
				return nil, fmt.Errorf("gates: budget: charge %d: negative %v", i, Dim(d))
			}
		}
		a, err := b.account(c.Account, c.Window)
		if err != nil {
			return nil, err
		}
		postings[i] = posting{a, &r.Charges[i].Max, c.Ask.within(&c.Max)}
	}
	if m.reservations[r.ID] != nil {
		return standing(postings), nil
	}
	booked := &bookReservation{id: r.ID, postings: postings}
	if x, ok := b.reserve(booked, r.TTL); !ok {
		return nil, &LimitError{Charge: x.i, Dim: x.dim, Asked: x.asked, Left: x.left}
	}
	booked.forget = time.Duration(sum(int64(booked.expires), int64(r.TTL)))
	m.reservations[r.ID] = booked
	m.inOrder = append(m.inOrder, booked)
	return standing(postings), nil
}

// forget forgets reservations of which nothing is to be heard any more. One that
// lives long keeps those made after it.
func (m *Memory) forget() {
	now := m.book.now()
	m.book.expire(now)
	for len(m.inOrder) > 0 && m.inOrder[0].forget <= now {
		delete(m.reservations, m.inOrder[0].id)
		m.inOrder[0] = nil
		m.inOrder = m.inOrder[1:]
	}
}

func standing(postings []posting) []Standing {
	all := make([]Standing, len(postings))
	for i, p := range postings {
		all[i] = Standing{p.of.used, p.of.reserved}
	}
	return all
}

// Settle implements [Store].
func (m *Memory) Settle(ctx context.Context, id string, used []Amounts) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	m.forget()
	booked := m.reservations[id]
	if booked == nil {
		return ErrNoReservation
	}
	if booked.state != reservationEnded && len(used) != len(booked.postings) {
		return fmt.Errorf("gates: budget: settled %d of %d charges", len(used), len(booked.postings))
	}
	m.book.settle(booked, used)
	return nil
}

// Release implements [Store].
func (m *Memory) Release(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	m.forget()
	if booked := m.reservations[id]; booked != nil {
		m.book.release(booked)
	}
	return nil
}
