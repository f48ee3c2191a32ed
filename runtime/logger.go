package runtime

import (
	"context"
	"log/slog"

	"github.com/ekiben-serving/ekiben/runtime/internal/pushes"
)

// Logger returns the app's logger. Each line has the ids of the request and its
// trace, or in a batch function those of the batch's span, and the id of the task. Outside
// an app's functions it returns [slog.Default].
func Logger(ctx context.Context) *slog.Logger {
	r := RequestFrom(ctx)
	app, _ := ctx.Value(appKey{}).(*App)
	if r != nil {
		app = r.x.app
	}
	if app == nil {
		return slog.Default()
	}
	attrs := app.conf.Now().Access.IDs.Attrs(ctx, r.ID())
	if task := TaskID(ctx); task != "" {
		attrs = append(attrs, slog.String("task", task))
	}
	return slog.New(pushes.Within(ctx, app.log.logger.Handler()).WithAttrs(attrs))
}

// appKey is the key of the app in the context of a batch function.
type appKey struct{}
