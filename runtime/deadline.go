package runtime

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// A caller can say in a header how long it waits. That limits its request. The
// context of a mounted handler has the deadline, but no 504 is sent: the handler responds itself,
// because gRPC has a status of its own for it.

// readDeadline reads how long the caller waits for the response into c.asked. It returns an
// error if a header is malformed, or if the caller waits no longer.
func (c *call) readDeadline() error {
	if !c.api.service.app.conf.Now().Traffic.CallerDeadline {
		return nil
	}
	for i := range deadlineHeaders {
		left, sent, err := c.told(i)
		if !sent {
			continue
		}
		name := deadlineHeaders[i].name
		if err != nil {
			return unread(Errorf(http.StatusBadRequest, "Header %s: %w, found %q", name, err, clip(c.r.Header[name][0])))
		}
		if left <= 0 {
			c.refused(telemetry.RefusedExpired)
			return unread(&Error{Status: http.StatusGatewayTimeout, Message: "The deadline of header " + name + " had passed when the request arrived"})
		}
		if c.asked == 0 || left < c.asked {
			c.asked = left
		}
	}
	return nil
}

// told reads the header with an index in deadlineHeaders. sent reports whether the request has it.
func (c *call) told(i int) (left time.Duration, sent bool, err error) {
	return told(c.r.Header, i, c.x.start)
}

func told(header http.Header, i int, arrived time.Time) (left time.Duration, sent bool, err error) {
	values := header[deadlineHeaders[i].name]
	if len(values) == 0 {
		return 0, false, nil
	}
	left, err = deadlineHeaders[i].read(strings.TrimSpace(values[0]), arrived)
	return left, true, err
}

// callerDeadline returns until when the caller waits, for the context of a mounted handler, and
// whether it says so. A malformed header says nothing: the handler may know better, or refuse it.
func (c *call) callerDeadline() (at time.Time, said bool) {
	if !c.api.service.app.conf.Now().Traffic.CallerDeadline {
		return at, false
	}
	return callerWaits(c.r.Header, c.x.start)
}

// callerWaits returns until when a caller waits, by its headers, and whether it says so.
func callerWaits(header http.Header, arrived time.Time) (at time.Time, said bool) {
	for i := range deadlineHeaders {
		left, sent, err := told(header, i, arrived)
		if !sent || err != nil {
			continue
		}
		if one := arrived.Add(left); !said || one.Before(at) {
			at, said = one, true
		}
	}
	return at, said
}

// within returns the shorter one of a limit and the time that the caller waits; 0: no limit.
func (c *call) within(limit time.Duration) time.Duration {
	if c.asked > 0 && (limit == 0 || c.asked < limit) {
		return c.asked
	}
	return limit
}

// deadlineHeaders are the headers with which callers say how long they wait. Durations begin
// when the request arrives. docs/reliability.md says who sends which.
var deadlineHeaders = [...]struct {
	name string
	read func(text string, arrived time.Time) (time.Duration, error)
}{
	{timeoutHeader, duration},
	{"Request-Deadline-Ms", pointInTime},
	{"X-Request-Timeout-Ms", duration},
	{"X-Request-Deadline-Ms", pointInTime},
	{"X-Envoy-Expected-Rq-Timeout-Ms", duration},
	{"Grpc-Timeout", grpcTimeout},
}

// timeoutHeader is the one that [Service.Transport] sends.
const timeoutHeader = "Request-Timeout-Ms"

// mostMillis bounds durations: a year. A larger number is a point in time.
const mostMillis = 365 * 24 * 3600 * 1000

func millis(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("must be a whole number of milliseconds")
	}
	return n, nil
}

func duration(text string, _ time.Time) (time.Duration, error) {
	n, err := millis(text)
	return time.Duration(min(n, mostMillis)) * time.Millisecond, err
}

// pointInTime reads milliseconds since 1970. Some callers send a duration under this name: a
// number of less than a year is one.
func pointInTime(text string, arrived time.Time) (time.Duration, error) {
	n, err := millis(text)
	if n < mostMillis {
		return time.Duration(n) * time.Millisecond, err
	}
	return min(time.UnixMilli(n).Sub(arrived), mostMillis*time.Millisecond), err
}

var grpcUnits = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}

// grpcTimeout reads the timeout of gRPC over HTTP/2: up to eight digits and a unit.
func grpcTimeout(text string, _ time.Time) (time.Duration, error) {
	if digits := len(text) - 1; digits >= 1 && digits <= 8 {
		n, err := strconv.ParseUint(text[:digits], 10, 32)
		if unit := grpcUnits[text[digits]]; err == nil && unit > 0 {
			return unit * min(time.Duration(n), mostMillis*time.Millisecond/unit), nil //nolint:durationcheck // the first one counts
		}
	}
	return 0, errors.New("must be up to eight digits and a unit of H, M, S, m, u, n")
}

// clip shortens what a client sent for an error.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
