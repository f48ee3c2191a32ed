package otlp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reason is why an export failed.
type Reason uint8

// The reasons.
const (
	Unreachable Reason = iota // no connection, or one that broke
	Timeout                   // no answer in time
	Unavailable               // the collector asked for patience, until there was none left
	Rejected                  // the collector refused what it was sent
	Partial                   // the collector took only a part of it
	Internal                  // it was not sent at all: nothing could be collected
	reasons
)

var reasonNames = [reasons]string{"unreachable", "timeout", "unavailable", "rejected", "partial", "internal"}

// String is the reason as a label's value.
func (r Reason) String() string { return reasonNames[r] }

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Unreachable, Timeout, Unavailable, Rejected, Partial, Internal}
}

// Stats is what became of exports. Its zero value is ready; all methods are
// safe for concurrent use.
type Stats struct {
	exported    atomic.Int64
	failures    [reasons]atomic.Int64
	lastSuccess atomic.Int64
}

// Exported is how many data points, or spans, collectors took. Of an export
// that was taken in part none is counted: which ones is not known.
func (s *Stats) Exported() int64 { return s.exported.Load() }

// Failures is how many exports failed for a reason.
func (s *Stats) Failures(r Reason) int64 { return s.failures[r].Load() }

// LastSuccess is when an export last succeeded; the zero time: never.
func (s *Stats) LastSuccess() time.Time {
	if at := s.lastSuccess.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// add counts an export, and returns why it failed, if it did.
func (s *Stats) add(points int, err error) (why Reason) {
	if err != nil {
		why = reasonOf(err)
	}
	switch {
	case s == nil:
	case err == nil:
		s.exported.Add(int64(points))
		s.lastSuccess.Store(time.Now().UnixNano())
	default:
		s.failures[why].Add(1)
	}
	return why
}

// reporter logs when exports of a signal begin to fail, and when they succeed
// again: a collector that is away for a day is a line, not a thousand.
type reporter struct {
	logger  *slog.Logger
	what    string
	failing string // the reason, as last logged
}

func newReporter(logger *slog.Logger, what string) *reporter {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &reporter{logger: logger, what: what}
}

// report tells of an export, for which there is a reason if it failed.
func (r *reporter) report(err error, reason Reason) {
	switch {
	case err == nil && r.failing != "":
		r.logger.Info(r.what + " are pushed again")
		r.failing = ""
	case err != nil && r.failing != reason.String():
		r.logger.Warn(r.what+" cannot be pushed", "reason", reason.String(), "error", err)
		r.failing = reason.String()
	}
}

// errCollect is that nothing could be collected.
var errCollect = errors.New("metrics cannot be collected")

// What the SDK's exporters say without a type.
var (
	partial     = regexp.MustCompile(`OTLP partial success`)
	unavailable = regexp.MustCompile(`retry-able request failure: body: `)
	refused     = regexp.MustCompile(`failed to send (\w+ )?to |request (body|message) too large`)
	// Of something before the collector that does not speak gRPC.
	gateway = regexp.MustCompile(`unexpected HTTP status code received from server: (429|502|503|504)`)
)

// reasonOf sorts an exporter's error. One that was tried again until the time
// was over is what it was each time, not a timeout.
func reasonOf(err error) Reason {
	var network net.Error
	text := err.Error()
	if errors.Is(err, errCollect) {
		return Internal
	}
	if partial.MatchString(text) {
		return Partial
	}
	if unavailable.MatchString(text) {
		return Unavailable
	}
	if s, ok := status.FromError(err); ok {
		answered := errors.As(err, new(answeredError)) || gateway.MatchString(text)
		return reasonOfCode(s.Code(), answered)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &network) && network.Timeout():
		return Timeout
	case refused.MatchString(text):
		return Rejected
	}
	return Unreachable
}

// reasonOfCode sorts a status, which the collector sent or the client made.
func reasonOfCode(code codes.Code, answered bool) Reason {
	switch code {
	case codes.DeadlineExceeded, codes.Canceled:
		return Timeout
	case codes.Unavailable:
		if !answered {
			return Unreachable
		}
		return Unavailable
	case codes.ResourceExhausted, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		return Unavailable
	default:
		return Rejected
	}
}
