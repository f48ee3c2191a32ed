package runtime

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
)

// exchange is one request and its response: the ResponseWriter of every stage, and
// the values that are counted and logged when the request ends.
//
// It is allocated for each request and never pooled: code that wrongly keeps a
// ResponseWriter must not write into the response of another client.
type exchange struct {
	http.ResponseWriter // of the server

	app      *App
	request  *http.Request
	match    match // of a call over gRPC it changes: goroutines of the user read it with matched
	start    time.Time
	id       [1]string // of the request, as a header has it
	from     origin
	returned bool        // the handler returned, without a panic or Goexit
	owned    bool        // header is used; set before other goroutines use x
	bodyRead atomic.Bool // all of the body was read
	header   http.Header // set by middleware, see ownHeader; guarded by the mutex of out
	body     watchedBody // of the request, over HTTP/1 on the app's own server
	watch    *slow.Watch // nil: the request cannot be slow
	arrived  *arrived    // nil: nothing that runs can change the request
	rpc      *rpcCall    // nil: it is no call over gRPC
	call     call
	out      outgoing
}

// arrived is what the access log needs of a request as it arrived. Middleware and mounted handlers
// may change the header map and the URL of their request while the log line is written.
type arrived struct{ path, contentType string }

// keepArrived keeps what handlers may change from now on.
func (x *exchange) keepArrived() {
	x.out.mu.Lock() // drain may write the line at the same time
	defer x.out.mu.Unlock()
	if x.out.logs && x.arrived == nil {
		x.arrived = &arrived{x.request.URL.Path, x.request.Header.Get("Content-Type")}
	}
}

// outgoing is the state of the response. Its mutex guards the fields and is held
// during each write; closing the connection unblocks a stuck write.
type outgoing struct {
	mu sync.Mutex
	expired
	counts
	hijack  *hijackedConn // the connection that was taken over; nil: none
	leave   func()        // gives the place of its client back, see guard.go; nil: it has none
	marks                 // of its progress
	refused uint8         // why the request was refused, a telemetry.Refusal plus 1; 0: it was not
	lost

	inParts atomic.Bool // the response was flushed before its end, or the connection taken over; not guarded
}

// expired is a 504 that is written while the function runs.
type expired struct {
	expiring chan struct{} // closed when it is written; nil: no timeout
	timeout  int           // the length of its body while it is written; 0: it is not
}

// counts is what is counted and logged of a response.
type counts struct {
	status      int // 0: nothing is written yet
	contentType string
	bytes       int64
}

// marks are how far a response is.
type marks struct {
	finished bool // the request is counted, and later writes are dropped
	settled  bool // the handler has returned: no timeout responds any more
	broken   bool // it failed after it began: nothing more is sent, and the connection is cut
	open     bool // its end is still to be recorded, see record
	logs     bool // it has a line in the access log
	reached  bool // the client has a part of the response, as far as the app can know
	hijacked bool // the connection was taken over
	lent     bool // a function called in process, or a batch, may still read the files of the request
}

// lost is why a client did not get its response.
type lost struct {
	gone   bool // the client hung up before the response, or before the end of a stream
	unsent bool // drain closed the connection before the response began
}

func (a *App) newExchange(w http.ResponseWriter, r *http.Request, found match, from origin) *exchange {
	x := &exchange{ResponseWriter: w, app: a, request: r, match: found, from: from, start: time.Now()}
	var span trace.SpanContext
	if a.tracing != nil {
		span = trace.SpanContextFromContext(r.Context())
	}
	x.id[0] = a.conf.Now().Access.IDs.Request(span)
	x.watchBody()
	if a.slow.On() {
		x.watchSlow()
	}
	return x
}

// exchangeOf returns the exchange that a request belongs to.
func (a *App) exchangeOf(w http.ResponseWriter, r *http.Request) *exchange {
	if x, ok := w.(*exchange); ok {
		return x
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	if x := behind(w); x != nil {
		return x
	}
	// Middleware replaced the context, and wrapped the writer without Unwrap. The
	// request is measured. Its function runs detached, and sees another request id
	// than the client.
	return a.newExchange(w, r, a.chain.routes.again(r), origin{})
}

// behind follows the Unwrap methods of a writer to its exchange. It returns nil if
// they do not lead to one.
func behind(w http.ResponseWriter) *exchange {
	for w != nil {
		switch found := w.(type) {
		case *exchange:
			return found
		case *rpcWriter:
			return found.x
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wrapper.Unwrap()
	}
	return nil
}

type exchangeKey struct{}
