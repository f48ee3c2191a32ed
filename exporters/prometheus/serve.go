package prometheus

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
)

// readerPatience is how long a client may take to read the page. A scraper's own
// timeout is shorter (Prometheus: 10 s); what is slower has gone, and would hold
// its connection and a scratch for ever.
const readerPatience = 30 * time.Second

// errNothing is what a scrape fails with if the SDK returns neither metrics
// nor an error.
var errNothing = errors.New("the reader returned nothing")

// ServeHTTP answers GET with the page and HEAD with its headers; any other
// method is 405. The format is negotiated by Accept, gzip by Accept-Encoding.
// At most 16 scrapes run at once, another is 503. If nothing could be
// collected the answer is 503 before the provider is built and after it was
// shut down, otherwise 500, with the reason as text.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("method must be GET or HEAD, found %s", r.Method), http.StatusMethodNotAllowed)
		return
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		e.report.add(0, fmt.Sprintf("scrape refused: %d scrapes are in progress already", maxScrapes))
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("at most %d scrapes at once; try again", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	as := e.negotiate(r.Header.Values("Accept"))
	zip := wantsGzip(r.Header.Values("Accept-Encoding"))
	if r.Method == http.MethodHead {
		pageHeader(w.Header(), as, zip)
		return
	}
	s := e.take()
	defer e.give(s)
	if err := e.collect(r.Context(), s); err != nil {
		http.Error(w, err.Error(), collectStatus(err))
		return
	}
	pageHeader(w.Header(), as, zip)
	release := limitWrite(w, r)
	if err := e.send(w, s, as, zip); err != nil {
		return // the client's connection is broken, which net/http closes
	}
	release()
}

func collectStatus(err error) int {
	for _, e := range []error{metric.ErrReaderNotRegistered, metric.ErrReaderShutdown, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusInternalServerError
}

func pageHeader(h http.Header, as format, zip bool) {
	h.Set("Content-Type", string(as))
	h.Add("Vary", "Accept, Accept-Encoding")
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
}

// send writes the page to w, compressed if zip is set.
func (e *Exporter) send(w io.Writer, s *scratch, as format, zip bool) error {
	if !zip {
		return s.enc.page(w, &s.index, as)
	}
	z, ok := e.gzip.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(w)
	}
	z.Reset(w)
	defer func() {
		z.Reset(io.Discard) // or the pool would hold the connection
		e.gzip.Put(z)
	}()
	if err := s.enc.page(z, &s.index, as); err != nil {
		return err
	}
	return z.Close()
}

// limitWrite sets a deadline to writing the answer, unless the server has a
// stricter one, and returns what ends it. A deadline stays with the
// connection: without that end, the next answer on it, perhaps a stream of
// minutes, would be cut off. A server with a WriteTimeout sets it anew for
// every request itself. Flushing first keeps the deadline for all but the last
// few bytes.
func limitWrite(w http.ResponseWriter, r *http.Request) (release func()) {
	timeout := time.Duration(0)
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		timeout = srv.WriteTimeout
	}
	control := http.NewResponseController(w)
	if timeout > 0 && timeout <= readerPatience {
		return func() {}
	}
	// A writer that cannot have a deadline still gets the page.
	if control.SetWriteDeadline(time.Now().Add(readerPatience)) != nil || timeout > 0 {
		return func() {}
	}
	return func() {
		if control.Flush() == nil {
			_ = control.SetWriteDeadline(time.Time{})
		}
	}
}
