package websocket

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CloseError says with which code and reason a socket was closed, or is to be closed. A
// function that returns one closes its socket with it:
//
//	return &websocket.CloseError{Code: 1008, Reason: "no such room"}
//
// Code 1006 means that the connection was lost, and 1005 that the client gave no code.
type CloseError struct {
	// Code is 1000 to 1003, 1007 to 1014, or 3000 to 4999.
	Code int
	// Reason is at most 123 bytes of UTF-8, for the client.
	Reason string

	byClient bool
}

// lost is the code of a socket whose connection was lost. It is never sent.
const lost = 1006

// mostReason is the length that a close frame has for a reason, in bytes.
const mostReason = 123

// Error returns code and reason.
func (e *CloseError) Error() string {
	who := "closed"
	if e.byClient {
		who = "closed by the client"
	}
	if e.Reason == "" {
		return fmt.Sprintf("socket %s with %d", who, e.Code)
	}
	return fmt.Sprintf("socket %s with %d: %s", who, e.Code, e.Reason)
}

// check returns why a code or a reason cannot be sent.
func (e *CloseError) check() error {
	switch {
	case e.Code < 1000 || e.Code > 1014 && e.Code < 3000 || e.Code > 4999 || e.Code == 1004 || e.Code == 1005 || e.Code == lost:
		return fmt.Errorf("websocket: a close code must be 1000 to 1003, 1007 to 1014, or 3000 to 4999, found %d", e.Code)
	case len(e.Reason) > mostReason || !utf8.ValidString(e.Reason):
		return fmt.Errorf("websocket: the reason to close must be at most %d bytes of UTF-8, found %d bytes", mostReason, len(e.Reason))
	}
	return nil
}

// clipped returns a reason that fits into a close frame.
func clipped(reason string) string {
	if len(reason) > mostReason {
		reason = reason[:mostReason]
	}
	return strings.ToValidUTF8(reason, "")
}
