package gates

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store keeps the accounts of sessions, subjects and tenants, so that several
// processes can share them; see [BudgetOptions.Store]. [Memory] is one that does
// so for one process.
//
// A call takes part in it by a Reservation, made before the call. It ends by
// Settle or Release, whichever comes first, or by its TTL:
//
//	open -- Settle --> charged: what was used, in place of what was asked
//	     -- Release -> nothing is held or charged
//	     -- TTL -----> nothing is held; a later Settle still charges
//
// Every method MUST be safe for concurrent use, return soon after ctx ends, and
// be atomic: two processes at once never hold more than a limit allows. The
// gate tries Settle and Release again where they fail, and does not know what
// became of a Reserve that failed, so that each must be idempotent by the
// reservation's ID: the same one again returns nil and changes nothing. An error
// that is neither of those named below means that the Store could not decide.
type Store interface {
	// Reserve holds what every charge asks, or nothing at all, and returns
	// what is used and held of each account after that, in the order of
	// r.Charges. It MUST return a [*LimitError] if a charge does not fit,
	// which is if used, held and asked amounts add up to more than a limit.
	//
	// What is not ended within r.TTL is given back. A Store measures the TTL
	// and windows by a clock that does not go back and that all its users
	// share. It must not wrap around: sums saturate at math.MaxInt64.
	Reserve(ctx context.Context, r Reservation) ([]Standing, error)

	// Settle ends a reservation. It charges what was used of each account, in
	// the order of the charges, whether that is more or less than was asked,
	// and limits do not matter. Where the reservation expired it charges all
	// the same, so that an expiry loses nothing that is settled late. Of an
	// account whose window has ended since nothing is charged. A Store
	// remembers a reservation until its TTL has passed twice, at least, and
	// MUST return an error that wraps [ErrNoReservation] if it does not know
	// it.
	Settle(ctx context.Context, id string, used []Amounts) error

	// Release ends a reservation of a call that was not made. It returns nil
	// where the Store does not know the reservation.
	Release(ctx context.Context, id string) error
}

// A Reservation is what one call asks for.
type Reservation struct {
	ID      string // unique among all processes; at most 64 bytes
	Charges []Charge
	TTL     time.Duration // positive
}

// A Charge is what a Reservation takes from one account.
type Charge struct {
	// Account names it. Two charges of a Reservation have different ones.
	// Names hold what identities are made of, escaped, and are compared by
	// their bytes.
	Account string

	// Window is how long the account counts before it begins anew; see
	// [Limits]. Zero means for ever. It is always the same for one Account.
	Window time.Duration

	Max Amounts // limits; zero for none
	Ask Amounts // zero where there is no limit
}

// A Standing is what is used and held of one account.
type Standing struct{ Used, Held Amounts }

// A LimitError reports that a reservation does not fit.
type LimitError struct {
	Charge      int // index of the charge
	Dim         Dim
	Asked, Left int64
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("gates: budget: charge %d: %v: asked %d, left %d", e.Charge, e.Dim, e.Asked, e.Left)
}

// ErrNoReservation reports that a [Store] does not know a reservation, or not
// any more.
var ErrNoReservation = errors.New("gates: budget: no such reservation")
