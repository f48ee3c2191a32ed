package runtime

import (
	"context"
	"runtime/debug"
)

// protect runs fn and turns a panic into an error.
func protect(ctx context.Context, fn func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return fn(ctx)
}
