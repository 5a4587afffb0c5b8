// Package foreign asks questions of errors that others made. An error is code of
// whoever returned it: a nil pointer in an error panics in its Unwrap, Is, As or
// Error, and what asks stands outside of the recover that caught everything else.
// Nothing here panics, whatever the error's methods do.
package foreign

import "errors"

// As is [errors.AsType], which finds nothing where a method of err panics before
// it has found a T.
func As[T error](err error) (found T, ok bool) {
	defer func() {
		if recover() != nil {
			var none T
			found, ok = none, false
		}
	}()
	return errors.AsType[T](err)
}

// Ask returns what a method of err, or of an error that it wraps, says. It is the
// zero V where no such error is a T, or a method panics.
func Ask[T error, V any](err error, method func(T) V) (said V) {
	defer func() {
		if recover() != nil {
			var none V
			said = none
		}
	}()
	if e, ok := errors.AsType[T](err); ok {
		return method(e)
	}
	return said
}

// Is is [errors.Is], which is false where a method of err panics before target
// was found.
func Is(err, target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.Is(err, target)
}

// Sound reports whether err can be asked what it says and what it is, and so what it
// wraps, without a panic. Nil is sound.
func Sound(err error) (sound bool) {
	if err == nil {
		return true
	}
	defer func() { _ = recover() }()
	_ = err.Error()
	_ = errors.Is(err, &none{})
	_, _ = errors.AsType[*none](err)
	return true
}

// none is an error that no error is.
type none struct{ _ byte }

func (*none) Error() string { return "" }
