package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an error that its caller may see: it carries the HTTP status it is
// answered with. Anything else a function returns is answered as a masked 500.
type Error struct {
	// Status is the HTTP status, 400 to 599. Anything else is answered 500.
	Status int
	// Message is answered as {"error": Message}.
	Message string
	// Detail, if not nil, is answered beside it as "detail", in JSON.
	Detail any
	// RetryAfter, if it is not 0, is answered as the header Retry-After, in whole
	// seconds, rounded up.
	RetryAfter time.Duration
	// Err is for the log and for errors.Is; a client never sees it.
	Err error

	timeout *api // whose timeout it says has passed; nil: it is a function's own
}

// Errorf returns an [Error] with the status, and the message that format
// makes. As in fmt.Errorf, %w keeps the error it wraps for errors.Is:
//
//	return nil, runtime.Errorf(http.StatusNotFound, "no model %q", name)
func Errorf(status int, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Status: status, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error returns the status and the message.
func (e *Error) Error() string {
	return strconv.Itoa(e.Status) + " " + http.StatusText(e.Status) + ": " + e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// maskedMessage is BentoML's text for what it does not tell a client.
const maskedMessage = "An unexpected error has occurred, please check the server log."

var errTooManyRequests = &Error{Status: http.StatusTooManyRequests, Message: "Too many requests"}

// timeoutError is BentoML's 504; it prints its seconds as Python would.
func (a *api) timeoutError(timeout time.Duration) *Error {
	seconds := strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64)
	return &Error{Status: http.StatusGatewayTimeout, Message: "Not able to process the request in " + seconds + " seconds", timeout: a}
}

// answerOf turns any error of a request into what the client is told.
// masked says that the error's own text belongs into the log.
func answerOf(err error) (answer *Error, masked bool) {
	if invalid, ok := asInvalid(err); ok {
		return invalid, false
	}
	var typed *Error
	if errors.As(err, &typed) && typed != nil && typed.Status >= 400 && typed.Status <= 599 {
		return typed, typed.Err != nil && typed.Status >= 500
	}
	return &Error{Status: http.StatusInternalServerError, Message: maskedMessage}, true
}

// inFull is an error for the log, with what an [Error] keeps from its client.
func inFull(err error) error {
	var typed *Error
	switch {
	case !errors.As(err, &typed) || typed == nil || typed.Err == nil, strings.Contains(err.Error(), typed.Err.Error()):
		return err
	case err == error(typed) && typed.Message == maskedMessage: //nolint:errorlint // nothing is around it that would be lost
		return typed.Err
	}
	return fmt.Errorf("%w: %w", err, typed.Err)
}

// body is the JSON of an error, as BentoML lays it out.
func (e *Error) body() []byte {
	answer := struct {
		Error  string `json:"error"`
		Detail any    `json:"detail,omitempty"`
	}{e.Message, e.Detail}
	data, err := json.Marshal(answer)
	if err == nil {
		return data
	}
	answer.Detail = fmt.Sprint(e.Detail)
	data, _ = json.Marshal(answer) //nolint:errchkjson // two strings always marshal
	return data
}

func writeError(w http.ResponseWriter, e *Error) {
	body := e.body()
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if e.RetryAfter > 0 {
		header["Retry-After"] = []string{strconv.Itoa(int((e.RetryAfter + time.Second - 1) / time.Second))}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// writePlain answers with BentoML's plain text for what no API handled.
func writePlain(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header["Content-Type"] = textType
	header["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// Header values that never change, shared by all answers.
var (
	jsonType = []string{"application/json"}
	textType = []string{"text/plain; charset=utf-8"}
)
