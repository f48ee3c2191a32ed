package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// Error is an error that the client may see: it is sent with its status. Any
// other error of a function is a 500 without details.
type Error struct {
	// Status is the HTTP status, 400 to 599. Any other is sent as 500.
	Status int
	// Message is sent as {"error": Message}.
	Message string
	// Detail, if not nil, is sent beside it as "detail", in JSON.
	Detail any
	// RetryAfter is sent as the header Retry-After, in whole seconds, rounded up.
	// 0: no header.
	RetryAfter time.Duration
	// Err is for errors.Is, and with a status from 500 on for the log. It is not sent
	// to the client.
	Err error

	timeout *api // whose timeout has passed; nil: none
	unread  bool // the body was not read to its end
}

// Errorf returns an [Error] with a status and a formatted message. The client sees
// all of the message, the text of a wrapped error too; to hide that, set Err of an
// [Error]. As in fmt.Errorf, each %w wraps an error for errors.Is:
//
//	return nil, runtime.Errorf(http.StatusNotFound, "no model %q", name)
func Errorf(status int, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Status: status, Message: err.Error(), Err: errors.Unwrap(err)}
	if _, several := err.(interface{ Unwrap() []error }); several {
		e.Err = err
	}
	return e
}

// Error returns the status and the message.
func (e *Error) Error() string {
	if e == nil { // a function may return one as an error that is not nil
		return "a nil *runtime.Error"
	}
	return strconv.Itoa(e.Status) + " " + http.StatusText(e.Status) + ": " + e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// maskedMessage is BentoML's message for an error that it does not tell.
const maskedMessage = "An unexpected error has occurred, please check the server log."

var (
	errTooManyRequests = &Error{Status: http.StatusTooManyRequests, Message: "Too many requests"}
	errNoResult        = errors.New("the function called runtime.Goexit and returned no result")
)

// panicError is a panic of user code, for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// timeoutError is BentoML's 504, with the seconds as Python prints them.
func (a *api) timeoutError(limit time.Duration) *Error {
	seconds := strconv.FormatFloat(limit.Seconds(), 'f', -1, 64)
	return &Error{Status: http.StatusGatewayTimeout, Message: "Not able to process the request in " + seconds + " seconds", timeout: a}
}

// isTimeout reports whether an error says only that the time is over, or that
// the client has gone.
func isTimeout(err error) bool {
	var typed *Error
	return errors.As(err, &typed) && typed != nil && typed.timeout != nil || isDeadline(err) || errors.Is(err, context.Canceled)
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// responseTo turns any error of a request into the response. masked says that
// the error's own text is for the log.
func responseTo(err error) (response *Error, masked bool) {
	var invalid *wire.Invalid
	if errors.As(err, &invalid) {
		return &Error{Status: http.StatusBadRequest, Message: invalid.Error(), Detail: invalid.Violations}, false
	}
	var typed *Error
	if errors.As(err, &typed) && typed != nil && typed.legal() {
		return typed, typed.Err != nil && typed.Status >= 500
	}
	return &Error{Status: http.StatusInternalServerError, Message: maskedMessage}, true
}

func (e *Error) legal() bool { return e.Status >= 400 && e.Status <= 599 }

// inFull returns an error for the log, with what an [Error] hides from the
// client.
func inFull(err error) error {
	var typed *Error
	switch {
	case !errors.As(err, &typed) || typed == nil:
		return err
	case !typed.legal():
		return fmt.Errorf("%w (the status of a runtime.Error must be 400 to 599, found %d)", err, typed.Status)
	case typed.Err == nil, strings.Contains(err.Error(), typed.Err.Error()):
		return err
	case err == error(typed) && typed.Message == maskedMessage: //nolint:errorlint // nothing is around it that would be lost
		return typed.Err
	}
	return fmt.Errorf("%w: %w", err, typed.Err)
}

// body is the JSON of an error, as BentoML lays it out.
func (e *Error) body() []byte {
	content := struct {
		Error  string `json:"error"`
		Detail any    `json:"detail,omitzero"`
	}{strings.ToValidUTF8(e.Message, "\uFFFD"), e.Detail}
	data, err := json.Marshal(content)
	if err != nil { // of Detail, which may hold anything: its text might tell a client too much
		content.Detail = nil
		data, _ = json.Marshal(content) // a valid string always marshals
	}
	return data
}

func writeError(w http.ResponseWriter, e *Error) {
	body := e.body()
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if e.RetryAfter > 0 {
		header["Retry-After"] = []string{strconv.FormatFloat(math.Ceil(e.RetryAfter.Seconds()), 'f', 0, 64)}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// jsonType is shared by all responses, so nobody may change it.
var jsonType = []string{"application/json"}

// batchError turns an error of a batcher into what the client is told.
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
		return &Error{Status: http.StatusServiceUnavailable, Message: "The service is overloaded: " + overloads[overload.Reason], RetryAfter: max(overload.RetryAfter, time.Second)}
	case errors.Is(err, batcher.ErrClosed):
		return &Error{Status: http.StatusServiceUnavailable, Message: "The service is shutting down", RetryAfter: time.Second}
	case errors.As(err, &panicked):
		return &panicError{value: panicked.Value, stack: panicked.Stack}
	}
	return err
}

var overloads = map[batcher.Refusal]string{
	batcher.RefusalQueueFull: "its queue is full",
	batcher.RefusalLate:      "the answer would come too late",
	batcher.RefusalTooMany:   "the answer would come too late, and would with nothing else to do: send fewer items at once",
	batcher.RefusalExpired:   "the answer would come too late",
}

// itemsError is the response to a list of which some items failed: the first
// error, and each with its place. An error that is masked goes before the others.
func itemsError(err error, name string) error {
	failed, ok := err.(batcher.Errors) //nolint:errorlint // as Do returns it
	if !ok {
		return err
	}
	var lead *Error
	masked := false // the log has what lead does not say
	var detail []wire.Violation
	for i, one := range failed {
		if one == nil {
			continue
		}
		response, hidden := responseTo(one)
		if lead == nil || hidden && !masked {
			lead, masked = response, hidden
		}
		detail = append(detail, wire.Violation{Type: "item_error", Loc: []any{name, i}, Msg: response.Message})
	}
	whole := &Error{Status: lead.Status, Message: lead.Message, Detail: detail, RetryAfter: lead.RetryAfter, Err: lead.Err}
	if masked {
		whole.Err = &failedItems{name: name, errs: failed}
	}
	return whole
}

// failedItems are the errors of a list's items, with their places.
type failedItems struct {
	name string
	errs batcher.Errors
}

// mostNamed bounds a line of the log: a list may be long.
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
