package openinferencegrpc

import (
	"net/http"
	"strings"

	"connectrpc.com/connect"
)

// statusGone is the status of a request whose client has left.
const statusGone = 499

// codeOf returns the code for the status of a response. It follows google.rpc.Code, which names a
// status for each code, and the status 413 as servers of gRPC say it.
func codeOf(status int) connect.Code {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType:
		return connect.CodeInvalidArgument
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated
	case http.StatusForbidden:
		return connect.CodePermissionDenied
	case http.StatusNotFound:
		return connect.CodeNotFound
	case http.StatusConflict:
		return connect.CodeAborted
	case http.StatusPreconditionFailed:
		return connect.CodeFailedPrecondition
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return connect.CodeResourceExhausted
	case statusGone:
		return connect.CodeCanceled
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return connect.CodeUnimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return connect.CodeUnavailable
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return connect.CodeDeadlineExceeded
	}
	switch {
	case status >= http.StatusInternalServerError:
		return connect.CodeInternal
	case status >= http.StatusBadRequest:
		return connect.CodeInvalidArgument
	}
	return connect.CodeUnknown
}

// statusOf returns the status for the code of a message that was refused before it was a request.
func statusOf(code connect.Code) int {
	switch code { //nolint:exhaustive // a message is refused for no other reasons
	case connect.CodeUnimplemented:
		return http.StatusNotImplemented
	case connect.CodeDeadlineExceeded:
		return http.StatusGatewayTimeout
	case connect.CodeCanceled:
		return statusGone
	}
	return http.StatusBadRequest
}

// nameOf returns the name of a code, as gRPC writes it.
func nameOf(code connect.Code) string {
	if code == connect.CodeCanceled {
		return "CANCELLED"
	}
	return strings.ToUpper(code.String())
}
