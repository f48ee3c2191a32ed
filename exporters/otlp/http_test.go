package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

func TestFailedRead(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("a cause"))
	for _, c := range []struct {
		ctx       context.Context //nolint:containedctx // a table
		err       error
		responded bool
		want      Reason
	}{
		{t.Context(), errors.New("malformed"), true, ReasonInvalidResponse},
		{t.Context(), errors.New("server closed idle connection"), false, ReasonUnreachable},
		{t.Context(), fmt.Errorf("x: %w", io.ErrUnexpectedEOF), true, ReasonUnreachable},
		{t.Context(), &net.OpError{Op: "read", Err: errors.New("reset")}, true, ReasonUnreachable},
		{ended, context.Cause(ended), false, ReasonTimeout},
		{ended, context.Cause(ended), true, ReasonTimeout},
	} {
		var failed *Error
		if err := failedRead(c.ctx, c.err, c.responded); !errors.As(err, &failed) || failed.Reason != c.want || failed.Retry != (c.want == ReasonUnreachable) {
			t.Errorf("%v: got %+v, want %s", c.err, err, c.want)
		}
	}
}
