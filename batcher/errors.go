package batcher

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors has one entry for each item: nil for an item that has a result. A [Func]
// returns it to fail single items of a batch. [Batcher.Do] returns it if only some
// items of the call failed. If all entries are nil, the batch has not failed. An error
// that wraps other Errors, such as those of another batch, fails the whole batch.
type Errors []error

// Error returns the messages of all items that failed, one on each line.
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

// none reports whether no item failed.
func (e Errors) none() bool {
	return !slices.ContainsFunc(e, func(err error) bool { return err != nil })
}

// all reports whether every item failed.
func (e Errors) all() bool { return !slices.Contains(e, nil) }

// The errors of [Batcher.Do], besides those of the function and of the context.
var (
	// ErrOverloaded is wrapped by every OverloadError.
	ErrOverloaded = errors.New("the batch queue is overloaded")
	// ErrClosed is returned by Do after Batcher.Close, and by a Do that was
	// still queued when the context of Close ended.
	ErrClosed = errors.New("the batcher is closed")
	// ErrGoexit is returned if the function called runtime.Goexit, as the
	// FailNow of a test does. Every item of the batch fails.
	ErrGoexit = errors.New("the batch function ended its goroutine")
)

// OverloadError is returned by [Batcher.Do] for a call that was refused because the
// queue is full, because its results would come after its deadline, or because the function
// hangs.
type OverloadError struct {
	Reason Refusal
	// RetryAfter is the time after which a similar call may be admitted. 0: unknown.
	// It is 0 for RefusalTooMany, because the same call would be refused again.
	RetryAfter time.Duration
}

// Error says the reason in words.
func (e *OverloadError) Error() string { return ErrOverloaded.Error() + ": " + reasons[e.Reason] }

var reasons = map[Refusal]string{
	RefusalQueueFull: "it is full",
	RefusalLate:      "the results would come after the deadline",
	RefusalTooMany:   "the results would come after the deadline even with an empty queue; send fewer items at once",
	RefusalExpired:   "the results would come after the deadline",
	RefusalHanging:   "the batch function does not return",
}

// Unwrap returns ErrOverloaded.
func (e *OverloadError) Unwrap() error { return ErrOverloaded }

// PanicError is returned if the function panicked.
type PanicError struct {
	Value any    // the value of the panic
	Stack []byte // the stack of the panic, as debug.Stack formats it
}

// Error prints the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
