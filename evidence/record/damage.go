package record

import "fmt"

// A Damage says what is wrong with a record, or with a ledger of them.
type Damage string

// The kinds of damage.
const (
	DamageEdited       Damage = "edited"                 // bytes differ from those that were written or signed
	DamageTruncated    Damage = "truncated"              // the last frame is not whole
	DamageRemoved      Damage = "removed"                // records are missing and no gap declares them
	DamageReordered    Damage = "reordered"              // a record stands after ones that followed it
	DamageReplayed     Damage = "replayed"               // a record stands there again
	DamageEquivocation Damage = "equivocation"           // two signed records claim one place
	DamageSpliced      Damage = "spliced"                // a record belongs to another ledger or run
	DamageUnknownKey   Damage = "unknown_key"            // signed, but by no key that was given
	DamageUnsigned     Damage = "unsigned"               // not signed at all
	DamageNotCanonical Damage = "not_canonical"          // signed, but two parsers could read it differently
	DamageMalformed    Damage = "malformed"              // signed, but not a record of this version
	DamageOutcome      Damage = "outcome_without_intent" // a call ended that never began
	DamageInconsistent Damage = "inconsistent"           // signed, but in contradiction to records before it
	DamageExpiredKey   Damage = "expired_key"            // signed by a key that was not, or no longer, in force
	DamageRewritten    Damage = "rewritten"              // the records are not those of a tree head that was signed before
	DamageRolledBack   Damage = "rolled_back"            // a checkpoint or a tile covers more records than there are
	DamageTile         Damage = "wrong_tile"             // a tile is not that of the records, which are good
)

// An Error says what is wrong with a record.
type Error struct {
	Damage Damage
	Detail string // may quote what the record says; printed by a program it must be escaped
}

// Errorf returns an [Error] with a detail as package fmt makes it.
func Errorf(d Damage, format string, args ...any) *Error {
	return &Error{d, fmt.Sprintf(format, args...)}
}

// Error returns the damage and the detail.
func (e *Error) Error() string { return string(e.Damage) + ": " + e.Detail }
