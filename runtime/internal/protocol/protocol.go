// Package protocol is what another protocol must do to serve the APIs of an app beside their own
// routes.
package protocol

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/internal/linked"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// The protocols.
var (
	// OpenInference is the Open Inference Protocol over HTTP.
	OpenInference = linked.NewPart[Protocol]("runtime/openinference")
	// OpenInferenceGRPC is the same over gRPC. Its calls are requests of OpenInference.
	OpenInferenceGRPC = linked.NewPart[Protocol]("runtime/openinference/grpc")
)

// Protocol adds routes to an app.
type Protocol interface {
	// Routes returns the routes of an app. The error says what of the app does not fit.
	Routes(app App) ([]Route, error)
}

// App is what a protocol knows of an app.
type App struct {
	Name, Version string       // Version "": it has none
	Live, Ready   http.Handler // the probes
	APIs          []API        // those of the entry service
	Prefix        string       // of every path, except those of doors
	MaxBody       int64        // bytes; 0: no limit
	// Called records a call by its method and its code, as gRPC has them, which took the time since
	// begun. Nil: it is not recorded.
	Called func(r *http.Request, method, code string, begun time.Time)
}

// API is what a protocol knows of an API.
type API struct {
	Name          string
	Input, Output *wire.Layout
	Items         string // the parameter with the items of a batchable API; "": it is not batchable
	Unfit         string // why the protocol cannot have the API; "": it can
}

// Route is a path of a protocol, below the path prefix. One of Handler, Translator and Door is set.
type Route struct {
	Path       string       // it may have wildcards
	Probe      string       // the probe that it is, such as /readyz, as which it is counted; "": none
	Handler    http.Handler // finds the values of wildcards with PathValue
	Translator Translator   // makes requests to an API of them, which are counted as its own
	API        int          // the index of that API
	Door       Door         // serves calls of another protocol
	Root       bool         // the path has no prefix: clients of gRPC know none
}

// Door serves calls of another protocol by requests to routes of the app, which are counted and
// limited as all others. A call that it refuses is a request to its own path, with a [Failure].
type Door interface {
	// Enters reports whether a request is such a call.
	Enters(r *http.Request) bool
	// Serve serves a call. inner serves its requests.
	Serve(w http.ResponseWriter, r *http.Request, inner http.Handler)
}

// Failure says why a door refuses a call.
type Failure struct {
	Status  int // of the response to the request that the call becomes
	Message string
	Err     error // ErrNoRoom, or nil
}

type failureKey struct{}

// WithFailure returns a context for the request that a refused call becomes.
func WithFailure(ctx context.Context, f *Failure) context.Context {
	return context.WithValue(ctx, failureKey{}, f)
}

// FailureOf returns why a call was refused; nil: the request is none.
func FailureOf(ctx context.Context) *Failure {
	f, _ := ctx.Value(failureKey{}).(*Failure)
	return f
}

// ErrNoRoom says that all bodies in memory together would be too large.
var ErrNoRoom = errors.New("too many bodies are in memory")

// Translator translates bodies. It is safe for concurrent use.
type Translator interface {
	// Decode returns the body that the API takes, of most bytes at most; 0: of any size. The
	// error is ErrTooLarge, that of ctx, or the message of a 400.
	Decode(ctx context.Context, header http.Header, body []byte, most int64) (decoded []byte, reply Reply, err error)
}

// ErrTooLarge says that the body that an API takes would be too large.
var ErrTooLarge = errors.New("the body is too large")

// Reply translates the response to one request.
type Reply interface {
	// Encode returns the body and the headers for the result of the API.
	Encode(result []byte) (body []byte, header map[string]string, err error)
}
