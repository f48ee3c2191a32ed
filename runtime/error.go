package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
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

var (
	errBodyMissing = errors.New("the request body had not arrived")
	errNoResult    = errors.New("the function called runtime.Goexit and returned no result")
	errNilSequence = errors.New("the function returned a nil sequence")
)

// tooLarge refuses a body of more than most bytes.
func tooLarge(most int64) *Error {
	refused := body.TooLarge(most)
	return &Error{Status: refused.Status, Message: refused.Message}
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

func (e *Error) legal() bool { return e.Status >= 400 && e.Status <= 599 }
