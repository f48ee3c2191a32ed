package otlp

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// answeredError is a status that came over the wire. gRPC has the same codes for
// those that the client makes up where a connection failed.
type answeredError struct{ error }

func (e answeredError) Unwrap() error { return e.error }

// answers tells the two apart: a status that was sent is in a trailer, and
// without one there was none.
type answers struct{}

// trailer is the context's key of whether a call's trailer has come.
type trailer struct{}

func (answers) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (answers) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.InTrailer); !ok {
		return
	}
	if came, ok := ctx.Value(trailer{}).(*atomic.Bool); ok {
		came.Store(true)
	}
}

func (answers) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (answers) HandleConn(context.Context, stats.ConnStats) {}

// mark is an interceptor that makes an answeredError of what was answered.
func (answers) mark(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var came atomic.Bool
	err := invoke(context.WithValue(ctx, trailer{}, &came), method, request, reply, conn, options...)
	if err != nil && came.Load() {
		return answeredError{err}
	}
	return err
}
