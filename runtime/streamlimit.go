package runtime

import (
	"fmt"
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
