package runtime

import (
	"cmp"
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

// Error is an error that is sent to the client with its status. Any other error of
// a function becomes a 500 without details. An Error may be shared by requests, but
// must then not be changed. [Errorf] makes one.
type Error struct {
	// Status is the HTTP status, 400 to 599. Any other is sent as 500.
	Status int
	// Message is sent as {"error": Message}.
	Message string
	// Detail, if not nil, is sent beside Message as "detail", in JSON. If it has no JSON, it
	// is not sent, and the log says why.
	Detail any
	// RetryAfter is sent as the header Retry-After, in whole seconds, rounded up.
	// 0: no header.
	RetryAfter time.Duration
	// Err is for errors.Is. If Status is at least 500, it is also logged. It is not
	// sent to the client.
	Err error

	timeout *api // the API whose timeout has passed; nil: none
	unread  bool // the body was not read to its end
}

// Errorf returns an [Error] with a status and a formatted message. The client sees
// the whole message, including the message of a wrapped error. To hide an error
// from the client, set Err of an [Error] instead. As in fmt.Errorf, each %w wraps
// an error for errors.Is:
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
	if e == nil { // a nil *Error in a non-nil error
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

// maskedMessage is BentoML's message for an error whose details are hidden.
const maskedMessage = "An unexpected error has occurred, please check the server log."

var (
	errBodyMissing = errors.New("the request body had not arrived")
	errNoResult    = errors.New("the function called runtime.Goexit and returned no result")
	errNilSequence = errors.New("the function returned a nil sequence")
)

// panicError is a panic of user code, for the log.
type panicError struct {
	value any
	stack []byte
	after error // what had ended the loop over a streaming function, which then went on; nil: nothing
}

func (e *panicError) Error() string {
	if e.after != nil {
		return fmt.Sprintf("panic: %v; the function went on after its stream had ended: %v", e.value, inFull(e.after))
	}
	return fmt.Sprintf("panic: %v", e.value)
}

// tooManyRequests returns BentoML's 429. The caller of an API may change it, so each has its
// own.
func tooManyRequests() *Error {
	return &Error{Status: http.StatusTooManyRequests, Message: "Too many requests"}
}

// unstarted returns the response to a request that comes before the app has started.
func unstarted() *Error {
	return &Error{Status: http.StatusServiceUnavailable, Message: "The service is starting", RetryAfter: time.Second}
}

// unread returns the response to a request whose body is not read.
func unread(e *Error) *Error {
	e.unread = true
	return e
}

// timeoutError returns BentoML's 504, with the seconds as Python prints them.
func (a *api) timeoutError(limit time.Duration) *Error {
	seconds := strconv.FormatFloat(limit.Seconds(), 'f', -1, 64)
	return &Error{Status: http.StatusGatewayTimeout, Message: "Not able to process the request in " + seconds + " seconds", timeout: a}
}

// isTimeout reports whether an error means only that the deadline has passed, or
// that the client has hung up.
func isTimeout(err error) bool {
	var typed *Error
	return errors.As(err, &typed) && typed != nil && typed.timeout != nil || isDeadline(err) || errors.Is(err, context.Canceled)
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// responseTo returns the response for any error of a request. If masked is true,
// the response hides details, which must be logged.
func responseTo(err error) (response *Error, masked bool) {
	var invalid *wire.Invalid
	if errors.As(err, &invalid) {
		return &Error{Status: http.StatusBadRequest, Message: invalid.Error(), Detail: invalid.Violations}, false
	}
	var typed *Error
	chosen := errors.As(err, &typed) && typed != nil && typed.legal()
	var items, chosenFor batcher.Errors
	if errors.As(err, &items) && (!chosen || !errors.As(typed.Err, &chosenFor)) { // of a batchable API that the function called
		if lead, hides := leading(items); lead != nil {
			return lead, hides
		}
	}
	if chosen {
		return typed, typed.Err != nil && typed.Status >= 500
	}
	return &Error{Status: http.StatusInternalServerError, Message: maskedMessage}, true
}

// leading returns the response for items that failed: that of the first masked error, or
// of the first error if none is masked. It returns nil if no item failed.
func leading(failed batcher.Errors) (response *Error, masked bool) {
	for _, one := range failed.Unwrap() {
		first, hides := responseTo(one)
		if hides {
			return first, true
		}
		response = cmp.Or(response, first)
	}
	return response, false
}

func (e *Error) legal() bool { return e.Status >= 400 && e.Status <= 599 }

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

// body returns the JSON of an error, in BentoML's format, and why Detail is not in it.
func (e *Error) body() (data []byte, lost error) {
	content := struct {
		Error  string `json:"error"`
		Detail any    `json:"detail,omitzero"`
	}{strings.ToValidUTF8(e.Message, "\uFFFD"), e.Detail}
	data, lost = json.Marshal(content)
	if lost != nil { // Detail cannot be encoded, and lost may hold internal data
		content.Detail = nil
		data, _ = json.Marshal(content) // a valid string always marshals
	}
	return data, lost
}

// writeError sends an error. It returns why the Detail of the error was not sent.
func writeError(w http.ResponseWriter, e *Error) error {
	body, lost := e.body()
	header := w.Header()
	header["Content-Type"] = jsonType
	if len(body) > smallBody || header["Connection"] != nil { // its goroutine may end before net/http computes it
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if e.RetryAfter > 0 {
		header["Retry-After"] = []string{strconv.FormatFloat(math.Ceil(e.RetryAfter.Seconds()), 'f', 0, 64)}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
	return lost
}

// jsonType is shared by all responses and must not be modified.
var jsonType = []string{"application/json"}
