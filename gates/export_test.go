package gates

import (
	"time"

	"example.com/safeconduct/middleware"
)

// BudgetByClock is BudgetWith under another clock.
func BudgetByClock(clock func() time.Duration, o BudgetOptions, limits ...Limits) middleware.Interceptor {
	b := newBudget(o, limits)
	b.clock = clock
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: budgetName, Gate: true, ID: b}.Handler()
		}
		return b.intercept(next)
	}
}

// MemoryByClock is NewMemory under another clock.
func MemoryByClock(clock func() time.Duration) *Memory {
	m := NewMemory()
	m.book.clock = clock
	return m
}

// Known returns how many reservations a Memory remembers, and how many accounts
// it has.
func (m *Memory) Known() (reservations, accounts int) {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	return len(m.reservations), len(m.book.accounts)
}

// BudgetWithRoom is Budget with room for so many accounts.
func BudgetWithRoom(room int, o BudgetOptions, limits ...Limits) middleware.Interceptor {
	b := newBudget(o, limits)
	b.room = room
	return b.intercept
}

// SetRoom makes room for so many accounts.
func (m *Memory) SetRoom(room int) { m.book.room = room }
