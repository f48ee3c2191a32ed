package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Reason is why an export failed.
type Reason uint8

// The reasons. New ones may be added.
const (
	// ReasonUnreachable: there was no connection (the name does not resolve, the
	// port is closed), or it broke.
	ReasonUnreachable Reason = iota
	// ReasonTimeout: no response came in time.
	ReasonTimeout
	// ReasonUnavailable: the collector, or a proxy, asked for a later attempt.
	ReasonUnavailable
	// ReasonRejected: the collector refused the data; sending it again is
	// pointless.
	ReasonRejected
	// ReasonPartial: the collector took only a part of the data.
	ReasonPartial
	// ReasonInternal: the data could not be collected or encoded, or the exporter is
	// shut down.
	ReasonInternal
	// ReasonTLS: the connection could not be secured, for example because of a
	// certificate, or because the server does not use TLS.
	ReasonTLS
	// ReasonInvalidResponse: the response is not OTLP, for example a proxy's
	// HTML, or a redirect to another host.
	ReasonInvalidResponse
	reasonCount
)

var reasonNames = [reasonCount]string{"unreachable", "timeout", "unavailable", "rejected", "partial", "internal", "tls", "invalid_response"}

// String returns the reason as the value of a label.
func (r Reason) String() string {
	if r >= reasonCount {
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
	return reasonNames[r]
}

// Reasons returns all reasons, to create a series for each of them before the first
// failure.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// Error is a failed export, or one failed attempt of it. Get it with [errors.As] from
// the error of [MetricExporter.Export].
type Error struct {
	// Reason classifies Err, for metrics and alerts.
	Reason Reason
	// Err is the cause. A Transport sets it.
	Err error
	// Retry says that another attempt may succeed. Export has then already retried until
	// the timeout, unless Config.Retry is off.
	Retry bool
	// After is how long the collector asked to wait before it. Default: the
	// pause of Retry.
	After time.Duration

	rejected int64 // items, of a partial success
}

// Error returns the text of Err, or the reason if Err is nil.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason.String()
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of the [*Error] that err wraps. For any other error, it
// looks for errors of TLS, timeouts and the network; without any, it returns
// ReasonUnreachable.
func ReasonOf(err error) Reason {
	var (
		failed      *Error
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		operation   *net.OpError
		network     net.Error
		name        *net.DNSError
	)
	switch {
	case errors.As(err, &failed):
		return failed.Reason
	case errors.As(err, &certificate), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return ReasonTLS
	case errors.As(err, &operation) && (operation.Op == "remote error" || operation.Op == "local error"): // how crypto/tls marks alerts
		return ReasonTLS
	case errors.As(err, &name):
		return ReasonUnreachable // also if the name server timed out
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network) && network.Timeout():
		return ReasonTimeout
	}
	return ReasonUnreachable
}
