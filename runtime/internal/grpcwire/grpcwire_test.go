package grpcwire

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A message has its length before it.
func TestFrame(t *testing.T) {
	framed := End(append(Begin(), "abc"...))
	check.Equal(t, string(framed), "\x00\x00\x00\x00\x03abc")
	prefix := Prefix(framed[:5])
	check.Equal(t, prefix.Size(), int64(3))
	for first, want := range map[byte][2]bool{0: {false, true}, 1: {true, true}, 2: {false, false}} {
		prefix[0] = first
		compressed, legal := prefix.Compressed()
		check.Equal(t, [2]bool{compressed, legal}, want)
	}
}

// A status has the code that clients of gRPC expect, and a name.
func TestCodes(t *testing.T) {
	for status, want := range map[int]string{
		400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED", 408: "DEADLINE_EXCEEDED",
		409: "ABORTED", 412: "FAILED_PRECONDITION", 413: "RESOURCE_EXHAUSTED", 418: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
		499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED", 507: "INTERNAL",
	} {
		check.Equal(t, Of(status).String(), want)
	}
}

// A message is printable ASCII, and not too long for a header.
func TestEscape(t *testing.T) {
	check.Equal(t, Escape("50 % é\n"), "50 %25 %C3%A9%0A")
	long := Escape(strings.Repeat("a", 1999) + "éé")
	check.Equal(t, long, strings.Repeat("a", 1999)+"%E2%80%A6")
}
