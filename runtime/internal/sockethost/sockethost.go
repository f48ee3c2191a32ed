// Package sockethost connects a WebSocket with the app that it is in, through the context of its
// request.
package sockethost

import "context"

// Host is the app of a WebSocket, as package websocket sees it.
type Host interface {
	// Draining reports whether new sockets must be refused.
	Draining() bool
	// Opened counts a socket. The app calls drain, once, when it drains.
	Opened(drain func())
	// Received and Sent count a message with its size as BentoML has it.
	Received(size int)
	Sent(size int)
	// Closed counts the end of a socket with its close code.
	Closed(code int)
	// Failed logs why a socket's function failed. stack is that of a panic.
	Failed(err error, stack []byte)
}

type hostKey struct{}

// With returns a context that has a host.
func With(ctx context.Context, host Host) context.Context {
	return context.WithValue(ctx, hostKey{}, host)
}

// Of returns the host of a request's context; nil: the request is not in a mount of an
// app.
func Of(ctx context.Context) Host {
	host, _ := ctx.Value(hostKey{}).(Host)
	return host
}
