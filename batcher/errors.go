package batcher

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors is returned by a [Func] to fail single items: as many as there are
// items, nil for those that have a result. All nil is success.
type Errors []error

// Error joins what is not nil.
func (e Errors) Error() string {
	if err := errors.Join(e...); err != nil {
		return err.Error()
	}
	return "no error"
}

// Unwrap returns the errors of the items that failed.
func (e Errors) Unwrap() []error {
	return slices.DeleteFunc(slices.Clone(e), func(err error) bool { return err == nil })
}

// none reports whether no item failed, all whether each did.
func (e Errors) none() bool {
	return !slices.ContainsFunc(e, func(err error) bool { return err != nil })
}
func (e Errors) all() bool { return !slices.Contains(e, nil) }

// What Do can return besides the function's own errors and its context's.
var (
	// ErrOverloaded is a queue that is full, or too long for the caller's
	// deadline. An *[OverloadError] wraps it.
	ErrOverloaded = errors.New("the batch queue is overloaded")
	// ErrClosed is a batcher that drains.
	ErrClosed = errors.New("the batcher is closed")
	// ErrGoexit is a function that ended its goroutine instead of returning, as
	// a test's FailNow does.
	ErrGoexit = errors.New("the batch function ended its goroutine")
)

// OverloadError says why a call was refused, and when another may be admitted.
type OverloadError struct {
	Reason     Refusal
	RetryAfter time.Duration // 0: not known
}

// Error names the reason.
func (e *OverloadError) Error() string { return ErrOverloaded.Error() + ": " + e.Reason.String() }

// Unwrap returns ErrOverloaded.
func (e *OverloadError) Unwrap() error { return ErrOverloaded }

// PanicError is a panic of the function, as the error of its batch.
type PanicError struct {
	Value any
	Stack []byte
}

// Error prints what the function panicked with.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
