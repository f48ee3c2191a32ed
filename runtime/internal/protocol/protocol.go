// Package protocol is what another protocol must do to serve the APIs of an app beside their own
// routes.
package protocol

import (
	"context"
	"errors"
	"net/http"

	"github.com/ekiben-serving/ekiben/internal/linked"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// The protocols.
var (
	// OpenInference is the Open Inference Protocol over HTTP.
	OpenInference = linked.NewPart[Protocol]("runtime/openinference")
	// OpenInferenceGRPC is the same over gRPC.
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
}

// API is what a protocol knows of an API.
type API struct {
	Name          string
	Input, Output *wire.Layout
	Items         string // the parameter with the items of a batchable API; "": it is not batchable
	Unfit         string // why the protocol cannot have the API; "": it can
}

// Route is a path of a protocol. One of Handler, Translator and RPC is set.
type Route struct {
	Path       string       // it may have wildcards
	Probe      string       // the probe that it is, such as /readyz, as which it is counted; "": none
	Handler    http.Handler // finds the values of wildcards with PathValue
	Translator Translator   // makes requests to an API of them, which are counted as its own
	API        int          // the index of that API
	RPC        *RPC         // serves calls over gRPC
	Root       bool         // the path has no prefix: clients of gRPC know none
}

// RPC is a method over gRPC. One of Call, Refused and Stream is set.
type RPC struct {
	Name string // of the service and the method, such as grpc.health.v1.Health/Check
	// Call returns what responds to a message. The error is a [Failure], or the message of a 400.
	Call func(r *http.Request, message []byte) (Called, error)
	// Small reports whether messages have only names: they are 4 KiB at most.
	Small bool
	// Refused is the response to every call. The message is not read.
	Refused *Failure
	// Stream returns the response to a message of a stream. The error is the message of a 400.
	Stream func(message []byte) ([]byte, error)
}

// Called is what responds to a call: an API, or a message.
type Called struct {
	Translator Translator // of the API. Its Decode gets no body, because the message was read.
	API        int        // the index of the API

	Message []byte
	Status  int // that is counted; 0: 200
}

// Failure is the response to a call that no API responds to.
type Failure struct {
	Status  int
	Message string
}

func (f *Failure) Error() string { return f.Message }

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
