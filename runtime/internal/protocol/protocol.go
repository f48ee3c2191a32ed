// Package protocol is what another protocol must do to serve the APIs of an app beside their own
// routes.
package protocol

import (
	"net/http"

	"github.com/ekiben-serving/ekiben/internal/linked"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// OpenInference is the Open Inference Protocol.
var OpenInference = linked.NewPart[Protocol]("runtime/openinference")

// Protocol adds routes to an app.
type Protocol interface{ Routes(app App) []Route }

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
	Without       string // why the protocol cannot have the API; "": it can
}

// Route is a path of a protocol, below the path prefix. One of Handler and Translator is set.
type Route struct {
	Path       string // it may have wildcards
	Probe      bool   // bypasses middleware, as the probes do
	Handler    http.Handler
	Translator Translator // makes requests to an API of them, which are counted as its own
	API        int        // the index of that API
}

// Translator translates bodies. It is safe for concurrent use.
type Translator interface {
	// Decode returns the body that the API takes. The error is the message of a 400.
	Decode(header http.Header, body []byte) (decoded []byte, reply Reply, err error)
}

// Reply translates the response to one request.
type Reply interface {
	// Encode returns the body and the headers for the result of the API.
	Encode(result []byte) (body []byte, header map[string]string, err error)
}
