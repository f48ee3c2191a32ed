// Package grpcwire has the form of messages and errors of gRPC over HTTP/2.
package grpcwire

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// Code says how a call has ended, as google.rpc.Code numbers it.
type Code int

// The codes that a call can end with.
const (
	OK                 Code = 0
	Cancelled          Code = 1
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	NotFound           Code = 5
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Aborted            Code = 10
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	Unauthenticated    Code = 16
)

var names = map[Code]string{
	OK: "OK", Cancelled: "CANCELLED", InvalidArgument: "INVALID_ARGUMENT", DeadlineExceeded: "DEADLINE_EXCEEDED", NotFound: "NOT_FOUND",
	PermissionDenied: "PERMISSION_DENIED", ResourceExhausted: "RESOURCE_EXHAUSTED", FailedPrecondition: "FAILED_PRECONDITION", Aborted: "ABORTED",
	Unimplemented: "UNIMPLEMENTED", Internal: "INTERNAL", Unavailable: "UNAVAILABLE", Unauthenticated: "UNAUTHENTICATED",
}

// String returns the name, such as NOT_FOUND.
func (c Code) String() string { return names[c] }

// statuses are those with a code of their own.
var statuses = map[int]Code{
	http.StatusUnauthorized:          Unauthenticated,
	http.StatusForbidden:             PermissionDenied,
	http.StatusNotFound:              NotFound,
	http.StatusMethodNotAllowed:      Unimplemented,
	http.StatusRequestTimeout:        DeadlineExceeded,
	http.StatusConflict:              Aborted,
	http.StatusPreconditionFailed:    FailedPrecondition,
	http.StatusRequestEntityTooLarge: ResourceExhausted,
	http.StatusTooManyRequests:       ResourceExhausted,
	499:                              Cancelled, // the client has left
	http.StatusNotImplemented:        Unimplemented,
	http.StatusBadGateway:            Unavailable,
	http.StatusServiceUnavailable:    Unavailable,
	http.StatusGatewayTimeout:        DeadlineExceeded,
}

// Of returns the code for the status of an error.
func Of(status int) Code {
	if code, ok := statuses[status]; ok {
		return code
	}
	if status >= http.StatusInternalServerError {
		return Internal
	}
	return InvalidArgument
}

// mostMessage bounds a message, in bytes. Clients refuse trailers of more than 8 KiB, and escaping
// makes three bytes of one.
const mostMessage = 2000

// Escape writes a message as the header grpc-message has it: bytes that are not printable ASCII, and
// %, become % and two digits. Of a long one it writes the beginning.
func Escape(message string) string {
	if len(message) > mostMessage {
		end := mostMessage
		for end > 0 && !utf8.RuneStart(message[end]) {
			end--
		}
		message = message[:end] + "…"
	}
	const digits = "0123456789ABCDEF"
	var escaped strings.Builder
	for _, b := range []byte(message) {
		if b >= ' ' && b <= '~' && b != '%' {
			escaped.WriteByte(b)
		} else {
			escaped.Write([]byte{'%', digits[b>>4], digits[b&15]})
		}
	}
	return escaped.String()
}
