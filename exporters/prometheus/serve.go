package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
)

// readerPatience is how long a client may take to read the response. Scrapers have
// shorter timeouts (Prometheus: 10 s), so a slower client has probably gone; without
// a limit it would hold its connection and the response for ever.
const readerPatience = 30 * time.Second

// errNothing is the error of a collection for which the SDK returned neither
// metrics nor an error.
var errNothing = errors.New("the reader returned nothing")

// ServeHTTP responds to GET with the metrics and to HEAD with the status and the headers
// of a GET, for which it collects too; any other method is 405. Accept selects the
// format, Accept-Encoding gzip.
//
// Scrapes that arrive at about the same time share one collection and its
// encoded response: a scrape joins the collection that runs, or waits for the
// next one. It does not join the collection of scrapes with shorter timeouts. The
// response comes before the client's timeout, which is
// X-Prometheus-Scrape-Timeout-Seconds, by default 10 s. A timeout below 100 ms
// counts as 100 ms, one above 10 min as 10 min. If no collection ends in time, the
// response is a 503 with the reason in the body.
//
// If a whole collection fails, the status is 503 before the provider is built and
// after it was shut down, otherwise 500. If only a family is broken or a callback
// fails, the others are served; see [Exporter.ScrapeErrors].
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("method must be GET or HEAD, found %s", r.Method), http.StatusMethodNotAllowed)
		return
	}
	v := variant{e.negotiate(r.Header.Values("Accept")), wantsGzip(r.Header.Values("Accept-Encoding"))}
	timeout := timeoutOf(r.Header)
	respond := timeout - min(timeout/10, maxMargin)
	ctx, cancel := context.WithTimeoutCause(r.Context(), respond, errLate)
	defer cancel()
	b, err := e.shared.get(ctx, scrape{v, respond - respond/10})
	if err != nil {
		err = e.explain(err, respond)
		http.Error(w, err.Error(), collectStatus(err))
		return
	}
	defer e.shared.release(b)
	setHeader(w.Header(), v)
	w.Header().Set("Content-Length", strconv.Itoa(b.size))
	if r.Method == http.MethodGet {
		write(w, r, b)
	}
}

const (
	defaultTimeout = 10 * time.Second // Prometheus' own
	// minTimeout is a lower bound, since every client of /metrics chooses its timeout:
	// with one in which no collection can end, it would add to ScrapeErrors and to the
	// log at will.
	minTimeout = 100 * time.Millisecond
	maxTimeout = 10 * time.Minute
	// maxMargin is the time between the latest response and the client's timeout.
	// For short timeouts, the margin is a tenth of the timeout.
	maxMargin = 500 * time.Millisecond
)

// timeoutOf returns the timeout of the client that sent h. A value that is not a
// positive number means the default.
func timeoutOf(h http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(h.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) {
		return defaultTimeout
	}
	return time.Duration(min(max(seconds, minTimeout.Seconds()), maxTimeout.Seconds()) * float64(time.Second))
}

// explain adds the time that a scrape waited to its error. It counts and logs the
// error of a scrape that waited too long, once for each collection.
func (e *Exporter) explain(err error, waited time.Duration) error {
	var late lateError
	if !errors.As(err, &late) {
		return err
	}
	if late.first {
		e.report.add(1, "collect: "+late.Error())
	}
	return fmt.Errorf("exporters/prometheus: collect: %w (waited %s)", late, waited)
}

// collectStatus returns 503 if a later scrape may succeed, or the app ends: a monitor must
// be able to tell this from a broken callback, which is 500.
func collectStatus(err error) int {
	for _, e := range []error{metric.ErrReaderNotRegistered, metric.ErrReaderShutdown, context.Canceled, context.DeadlineExceeded, errLate} {
		if errors.Is(err, e) {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusInternalServerError
}

// setHeader sets the headers of a response. Vary makes a cache keep the forms apart.
func setHeader(h http.Header, v variant) {
	h.Set("Content-Type", string(v.format))
	h.Add("Vary", "Accept, Accept-Encoding")
	if v.gzip {
		h.Set("Content-Encoding", "gzip")
	}
}

// write sends b. It fails if the connection is broken or b is cut off; net/http then
// closes the connection.
func write(w http.ResponseWriter, r *http.Request, b *body) {
	release := limitWrite(w, r)
	expired := make(chan struct{})
	watching := context.AfterFunc(b.cut, func() {
		defer close(expired)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
	})
	var err error
	for _, c := range b.chunks {
		if _, err = w.Write(c); err != nil {
			break
		}
	}
	if !watching() {
		<-expired // w must not be used after the handler has returned
	}
	if err == nil {
		release()
	}
}

// limitWrite sets a deadline for writing the response, unless the server has a
// shorter one, and returns a function that removes it. Without removal, the
// deadline would also end the next response on the connection, which may be a long
// stream. A server with a WriteTimeout sets it again for each request. release flushes
// first, so the deadline applies to all but the last bytes.
func limitWrite(w http.ResponseWriter, r *http.Request) (release func()) {
	timeout := time.Duration(0)
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		timeout = srv.WriteTimeout
	}
	control := http.NewResponseController(w)
	if timeout > 0 && timeout <= readerPatience {
		return func() {}
	}
	// A writer without deadlines still gets the response.
	if control.SetWriteDeadline(time.Now().Add(readerPatience)) != nil || timeout > 0 {
		return func() {}
	}
	return func() {
		if control.Flush() == nil {
			_ = control.SetWriteDeadline(time.Time{})
		}
	}
}
