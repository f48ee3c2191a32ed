package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// batchError turns an error of a batcher into the error for the client.
func batchError(err error) error {
	if failed, ok := err.(batcher.Errors); ok { //nolint:errorlint // as Do returns it
		told := make(batcher.Errors, len(failed))
		for i, one := range failed {
			told[i] = batchError(one)
		}
		return told
	}
	var overload *batcher.OverloadError
	var panicked *batcher.PanicError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &overload):
		e := &Error{Status: http.StatusServiceUnavailable, Message: "The service is overloaded: " + overloads[overload.Reason], RetryAfter: max(overload.RetryAfter, time.Second), Err: err}
		if overload.Reason == batcher.RefusalTooMany {
			e.RetryAfter = 0 // the same list would be refused again
		}
		return e
	case errors.Is(err, batcher.ErrClosed):
		return &Error{Status: http.StatusServiceUnavailable, Message: "The service is shutting down", RetryAfter: time.Second, Err: err}
	case errors.As(err, &panicked):
		return &panicError{value: panicked.Value, stack: panicked.Stack}
	}
	return err
}

var overloads = map[batcher.Refusal]string{
	batcher.RefusalQueueFull: "its queue is full",
	batcher.RefusalLate:      "the response would come too late",
	batcher.RefusalTooMany:   "the response would come too late even with an empty queue; send fewer items at once",
	batcher.RefusalExpired:   "the response would come too late",
	batcher.RefusalHanging:   "its function does not return",
}

// itemsError returns the response to a list in which some items failed. Its detail has
// each error with its index. Its status and message are those of leading.
func itemsError(err error, name string) error {
	failed, ok := err.(batcher.Errors) //nolint:errorlint // as Do returns it
	if !ok {
		return err
	}
	lead, masked := leading(failed)
	var detail []wire.Violation
	for i, one := range failed {
		if one != nil {
			response, _ := responseTo(one)
			detail = append(detail, wire.Violation{Type: "item_error", Loc: []any{name, i}, Msg: response.Message})
		}
	}
	whole := &Error{Status: lead.Status, Message: lead.Message, Detail: detail, RetryAfter: lead.RetryAfter, Err: lead.Err}
	if masked {
		whole.Err = &failedItems{name: name, errs: failed}
	}
	return whole
}

// failedItems has the errors of a list's items, for the log.
type failedItems struct {
	name string
	errs batcher.Errors
}

// mostNamed is how many failed items one log line names.
const mostNamed = 10

func (f *failedItems) Error() string {
	var b strings.Builder
	named, more := 0, 0
	for i, err := range f.errs {
		switch {
		case err == nil:
		case named == mostNamed:
			more++
		default:
			if named++; named > 1 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%s[%d]: %v", f.name, i, inFull(err))
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

func (f *failedItems) Unwrap() []error { return f.errs.Unwrap() }
