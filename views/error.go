package views

import (
	"errors"
	"fmt"
)

// keyError is an error at a key of a Config: "duration.buckets[2]".
type keyError struct {
	key   string
	index bool // the key begins with an index, such as [2]
	err   error
}

func (e *keyError) Error() string { return e.key + ": " + e.err.Error() }
func (e *keyError) Unwrap() error { return e.err }

func at(key, format string, args ...any) error {
	return &keyError{key: key, err: fmt.Errorf(format, args...)}
}

func atIndex(i int, err error) error {
	return &keyError{key: fmt.Sprintf("[%d]", i), index: true, err: err}
}

// under returns err with each of its errors below key.
func under(key string, err error) error {
	var errs []error
	for _, e := range flatten(err) {
		below := &keyError{key: key, err: e}
		if k := (*keyError)(nil); errors.As(e, &k) {
			below = &keyError{key: key + "." + k.key, err: k.err}
			if k.index {
				below.key = key + k.key
			}
		}
		errs = append(errs, below)
	}
	return errors.Join(errs...)
}

// flatten returns the errors that errors.Join joined.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, flatten(e)...)
		}
		return errs
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
