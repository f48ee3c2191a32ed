package runtime

import (
	"context"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
)

// asker is the request that asks for a slot.
type asker struct {
	header   http.Header // nil in process without a request
	watch    *slow.Watch // nil: nobody asks what the request waits for
	exchange *exchange   // nil: a call in process
}

// askerOf returns the request behind ctx, which a function has.
func (a *App) askerOf(ctx context.Context) asker {
	return asker{header: headerFrom(ctx), watch: a.watchOf(ctx)}
}

// watchOf returns the Watch of the request behind ctx, which a function has; nil: none.
func (a *App) watchOf(ctx context.Context) *slow.Watch {
	if !a.slow.On() {
		return nil
	}
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.x.watch
	}
	return nil
}
