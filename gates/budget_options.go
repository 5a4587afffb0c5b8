package gates

import (
	"fmt"
	"time"
)

// DefaultLease is how long a [Budget] holds what it reserved for a model call
// that does not return, where [BudgetOptions] do not say.
const DefaultLease = 15 * time.Minute

// DefaultStoreTimeout is how long a [Budget] waits for its [Store], where
// [BudgetOptions] do not say.
const DefaultStoreTimeout = time.Second

// BudgetOptions say what holds for all [Limits] of one [Budget]. The zero
// BudgetOptions are those of Budget.
type BudgetOptions struct {
	// Prices are what Limits.Cost is reckoned by; nil means [ListPrices].
	Prices *Prices

	// Model is the model to reckon by where a request names none, as it does
	// where the application told the provider's client instead. Before that,
	// Prices are asked for the name that the model is registered by, so that
	// an alias there can tell several models apart. Where neither is known the
	// call is denied.
	Model string

	// Store keeps what sessions, subjects and tenants have spent. Nil means
	// in the memory of the gate. What runs and the process have spent always
	// is. A call is reserved here first and then in the Store: one that the
	// Store denies keeps its part of what is here until then, so that a call
	// beside it may be denied that would have been the last to fit.
	Store Store

	// StoreTimeout bounds how long the gate waits for each answer of Store.
	// Zero means DefaultStoreTimeout.
	StoreTimeout time.Duration

	// LocalShare says what holds while Store fails or does not answer. Zero
	// denies, with [middleware.CodeIndeterminate]. Any other number n has the
	// process count by itself and allow an n-th of each limit, at least one,
	// with a note on the call's trail: n processes then overshoot each limit
	// by no more than the limit itself, or by what it is rounded up to.
	LocalShare int64

	// Lease is how long what was reserved for a model call is held if the call
	// does not return: it goes back then, and is charged once the call returns
	// after all. It should be longer than any call takes. Zero means
	// DefaultLease.
	Lease time.Duration
}

// check panics where options make no sense, and fills in the defaults.
func (o *BudgetOptions) check() {
	if o.StoreTimeout < 0 || o.LocalShare < 0 || o.Lease < 0 {
		panic(fmt.Sprintf("gates: Budget: negative option in %+v", *o))
	}
	if o.Store == nil && (o.StoreTimeout != 0 || o.LocalShare != 0) {
		panic("gates: Budget: StoreTimeout and LocalShare without a Store")
	}
	if o.StoreTimeout == 0 {
		o.StoreTimeout = DefaultStoreTimeout
	}
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
}
