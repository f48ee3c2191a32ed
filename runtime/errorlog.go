package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ekiben-serving/ekiben/batcher"
)

// panicError is a panic of user code, for the log.
type panicError struct {
	value any
	stack []byte
	after error // the error that ended the stream, if the function ran on afterwards and then panicked
}

func (e *panicError) Error() string {
	if e.after != nil {
		return fmt.Sprintf("panic: %v; the function went on after its stream had ended: %v", e.value, inFull(e.after))
	}
	return fmt.Sprintf("panic: %v", e.value)
}

// failure returns what a log line says of an error of an API.
func (a *api) failure(err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("service", a.service.name), slog.String("api", a.name), slog.Any("error", inFull(err))}
	if p := (*panicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	return attrs
}

// inFull returns an error for the log, with the details that an [Error] hides from
// the client.
func inFull(err error) error {
	if failed, ok := err.(batcher.Errors); ok { //nolint:errorlint // as Call returns it
		return &failedItems{name: "items", errs: failed}
	}
	var typed *Error
	switch {
	case !errors.As(err, &typed) || typed == nil:
		return err
	case !typed.legal():
		return fmt.Errorf("%w (the status of a runtime.Error must be 400 to 599, found %d)", err, typed.Status)
	case typed.Err == nil, strings.Contains(err.Error(), typed.Err.Error()):
		return err
	case err == error(typed) && typed.Message == maskedMessage: //nolint:errorlint // a wrapping error would be lost
		return typed.Err
	}
	return fmt.Errorf("%w: %w", err, typed.Err)
}
