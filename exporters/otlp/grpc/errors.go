package otlpgrpc

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// classify makes an [otlp.Error] from the status of a call. responded says that the
// collector sent the status; gRPC uses the same codes for its own errors.
func classify(err error, responded bool, handshake *failure) *otlp.Error {
	s, failed := status.Convert(err), &otlp.Error{Err: err}
	switch {
	case s.Code() == codes.DeadlineExceeded, s.Code() == codes.Canceled:
		failed.Reason, failed.Retry = otlp.ReasonTimeout, responded
	case responded:
		failed.After = retryDelay(s)
		failed.Reason, failed.Retry = reasonOfCode(s.Code(), failed.After > 0)
	case httpStatus.MatchString(s.Message()):
		failed.Reason, failed.Retry = reasonOfHTTP(httpStatus.FindStringSubmatch(s.Message())[1])
	case s.Code() == codes.Unavailable:
		failed.Reason = handshake.reason(s.Message())
		failed.Retry = failed.Reason == otlp.ReasonUnreachable
	default:
		failed.Reason = otlp.ReasonInvalidResponse
	}
	return failed
}

// reasonOfCode follows the table of retryable codes in the specification of
// OTLP. ResourceExhausted is retryable only with a delay: without one, the request
// may be too large.
func reasonOfCode(code codes.Code, delayed bool) (reason otlp.Reason, retry bool) {
	switch code {
	case codes.Unavailable, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		return otlp.ReasonUnavailable, true
	case codes.ResourceExhausted:
		if delayed {
			return otlp.ReasonUnavailable, true
		}
	}
	return otlp.ReasonRejected, false
}

// retryDelay returns how long the collector asked to wait; 0 if it did not say so.
func retryDelay(s *status.Status) time.Duration {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// httpStatus finds the status of a response that is HTTP but not gRPC, for example
// from a proxy. gRPC puts it only into the message.
var httpStatus = regexp.MustCompile(`unexpected HTTP status code received from server: (\d+)`)

// reasonOfHTTP classifies the status of a proxy as package otlp does over HTTP.
func reasonOfHTTP(text string) (reason otlp.Reason, retry bool) {
	code, _ := strconv.Atoi(text)
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return otlp.ReasonUnavailable, true
	case code >= http.StatusBadRequest:
		return otlp.ReasonRejected, false
	}
	return otlp.ReasonInvalidResponse, false
}

// responses is a stats handler. It marks the context of a call whose status came from
// the server: only such a call has a trailer.
type responses struct{}

// respondedKey is the key of an *atomic.Bool.
type respondedKey struct{}

func (responses) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.InTrailer); !ok {
		return
	}
	if responded, ok := ctx.Value(respondedKey{}).(*atomic.Bool); ok {
		responded.Store(true)
	}
}

func (responses) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (responses) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (responses) HandleConn(context.Context, stats.ConnStats) {}

// reason returns why there is no connection. f is the last failure of a handshake.
// It is the cause only if the message of the status contains it.
func (f *failure) reason(message string) otlp.Reason {
	if f == nil || !strings.Contains(message, f.quoted) {
		return otlp.ReasonUnreachable
	}
	return otlp.ReasonOf(f.err)
}
