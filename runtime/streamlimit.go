package runtime

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// limitError returns the error for the log, and the cause with which the function's context
// ends.
func (st *stream) limitError(limit telemetry.StreamEnd) error {
	switch limit {
	case telemetry.StreamSlowReader:
		return &streamCutError{limit, "traffic.stream.write_timeout", st.limits.WriteTimeout}
	case telemetry.StreamIdle:
		return idleError(st.limits.IdleTimeout)
	}
	if after := st.call.ctx.limit; after != st.limits.MaxDuration {
		return &streamCutError{limit, "the deadline of the request's context", after}
	}
	return durationError(st.limits.MaxDuration)
}

// slowReader returns the error for the log if a write that began at a time has failed because the
// client did not read within a limit, else nil. The shorter limit is the one that was reached.
func (st *stream) slowReader(err error, began time.Duration) error {
	x := st.call.x
	if err == nil || passed(err) == nil && !x.from.conn.Unread() {
		return nil
	}
	took := time.Since(x.start) - began
	own, most := st.limits.WriteTimeout, x.app.conf.Now().HTTP.Limits.WriteTimeout
	if own > 0 && took >= own && (most == 0 || own <= most) {
		return st.limitError(telemetry.StreamSlowReader)
	}
	if most > 0 && took >= most {
		return &streamCutError{telemetry.StreamSlowReader, "http.limits.write_timeout", most}
	}
	return nil // a deadline of middleware
}

// passed returns the error of a flush only if a deadline has passed: a writer that cannot flush is
// no error.
func passed(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

func idleError(after time.Duration) error {
	return &streamCutError{telemetry.StreamIdle, "traffic.stream.idle_timeout", after}
}

func durationError(after time.Duration) error {
	return &streamCutError{telemetry.StreamDuration, "traffic.stream.max_duration", after}
}

// streamCutError is the limit at which a stream was cut.
type streamCutError struct {
	limit telemetry.StreamEnd
	by    string // the key of the limit
	after time.Duration
}

func (e *streamCutError) Error() string {
	what := "not finished"
	switch e.limit {
	case telemetry.StreamSlowReader:
		what = "the client did not read a chunk"
	case telemetry.StreamIdle:
		what = "no chunk"
	}
	return fmt.Sprintf("stream ended early: %s within %s, %s", what, e.by, e.after)
}

// forClient returns the message that the client gets.
func (e *streamCutError) forClient() string {
	if e.limit == telemetry.StreamIdle {
		return fmt.Sprintf("The stream had no event for %s", e.after)
	}
	return fmt.Sprintf("The stream was not finished within %s", e.after)
}
