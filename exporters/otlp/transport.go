package otlp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"sync"
)

// Signal is a kind of telemetry.
type Signal string

// The signals.
const (
	Metrics Signal = "metrics"
	Traces  Signal = "traces"
	Logs    Signal = "logs"
)

// Protocol is a way to send requests. Applications do not need it: they import
// a package that registers one, such as exporters/otlp/grpc.
type Protocol struct {
	// Name is the value of Config.Protocol.
	Name string
	// Endpoint is the default of Config.Endpoint.
	Endpoint string
	// Dial returns a transport to a target. It does not wait for a connection, so a
	// collector that is down is no error.
	Dial func(Target) (Transport, error)
}

// Target is a validated [Config], for one signal.
type Target struct {
	Signal Signal
	// URL has no user info, which is in Headers. Its path and its query are for
	// HTTP only. Its query may be a secret.
	URL *url.URL
	// TLS is nil for a connection without TLS.
	TLS *tls.Config
	// Headers are sent with each request, by canonical name.
	Headers map[string]string
	// Gzip says to compress requests.
	Gzip bool
}

// Transport sends requests to one target. Its methods may be called
// concurrently.
type Transport interface {
	// Send makes one attempt to send an encoded request. Its errors are of type
	// *Error.
	Send(ctx context.Context, request []byte) (Response, error)
	// Close closes the connections. No attempt follows; one in progress may fail.
	Close() error
}

// Response is what a collector sent back for a request that it accepted.
type Response struct {
	// Body is an OTLP message, which may report that a part was refused. Empty: all of
	// the request was accepted.
	Body []byte
	// JSON says that Body is JSON. Default: protobuf.
	JSON bool
}

// protocols are the registered protocols.
var protocols = struct {
	sync.Mutex

	byName map[string]Protocol
}{byName: map[string]Protocol{
	ProtocolHTTP: {Name: ProtocolHTTP, Endpoint: "http://localhost:4318", Dial: dialHTTP},
}}

// Register makes a protocol available to [Config], in place of another one of
// the same name. It may be called concurrently. The returned function undoes
// it, for tests.
func Register(p Protocol) (undo func()) {
	protocols.Lock()
	defer protocols.Unlock()
	before, had := protocols.byName[p.Name]
	protocols.byName[p.Name] = p
	return func() {
		protocols.Lock()
		defer protocols.Unlock()
		delete(protocols.byName, p.Name)
		if had {
			protocols.byName[p.Name] = before
		}
	}
}

// lookup returns a registered protocol. The error for grpc says which import is missing,
// because the name itself is right.
func lookup(name string) (Protocol, error) {
	protocols.Lock()
	defer protocols.Unlock()
	p, ok := protocols.byName[name]
	switch {
	case ok:
		return p, nil
	case name == ProtocolGRPC:
		return p, fmt.Errorf(`otlp.protocol: %q needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc"`, name)
	}
	return p, fmt.Errorf("otlp.protocol: must be %q or %q, found %q", ProtocolHTTP, ProtocolGRPC, name)
}
