// Package openinferencegrpc serves the APIs of an app over the Open Inference Protocol, version 2,
// over gRPC, as KServe, Triton and MLServer speak it. A program that sets
// http.open_inference_grpc must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/runtime/openinference/grpc"
//
// Package ekiben has this import. The models, tensors and errors are those of package openinference.
// A call of ModelInfer becomes a request of its API as soon as its message is read: it has the API's
// limits, and is counted as a request of its endpoint, with the status that it would have over HTTP.
// Elements of a request are raw bytes or typed, and those of the response are as those of the
// request. Messages may be compressed with gzip; responses are not.
//
// The service grpc.health.v1.Health says what /readyz says; Watch is not implemented, and clients
// then take a server for healthy. Server reflection describes both services. Clients need HTTP/2,
// which the app also speaks without TLS then.
//
// The messages are those of github.com/kserve/open-inference-protocol.
package openinferencegrpc

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ekiben-serving/ekiben/runtime/internal/inference"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

func init() { protocol.OpenInferenceGRPC.Register(rpcs{}) }

// The services that clients can call.
const (
	inferenceService = "inference.GRPCInferenceService"
	healthService    = "grpc.health.v1.Health"
)

var reflectionServices = []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

type rpcs struct{}

// served has the models of an app.
type served struct {
	app    protocol.App
	models *inference.Models
}

// Routes returns the methods of all services.
func (rpcs) Routes(app protocol.App) ([]protocol.Route, error) {
	s := &served{app, inference.New(app)}
	reflected, err := newReflector()
	if err != nil {
		return nil, err
	}
	method := func(service, name, probe string, call func(*http.Request, []byte) (protocol.Called, error)) protocol.Route {
		rpc := &protocol.RPC{Name: service + "/" + name, Call: call, Small: name != "ModelInfer"}
		return protocol.Route{Path: "/" + rpc.Name, Root: true, Probe: probe, RPC: rpc}
	}
	routes := []protocol.Route{
		method(inferenceService, "ServerLive", "/livez", s.live),
		method(inferenceService, "ServerReady", "/readyz", s.ready),
		method(inferenceService, "ModelReady", "/readyz", s.modelReady),
		method(inferenceService, "ServerMetadata", "", s.serverMetadata),
		method(inferenceService, "ModelMetadata", "", s.modelMetadata),
		method(inferenceService, "ModelInfer", "", s.infer),
		method(healthService, "Check", "/readyz", s.check),
	}
	for _, service := range reflectionServices {
		stream := &protocol.RPC{Name: service + "/ServerReflectionInfo", Stream: reflected.respond}
		routes = append(routes, protocol.Route{Path: "/" + stream.Name, Root: true, RPC: stream})
	}
	for _, service := range append(reflectionServices, inferenceService, healthService) { // whatever else is called
		other := &protocol.RPC{Name: "_OTHER", Refused: &protocol.Failure{Status: http.StatusNotImplemented, Message: "there is no such method of " + service}} // as the conventions name it
		routes = append(routes, protocol.Route{Path: "/" + service + "/{method}", Root: true, RPC: other})
	}
	return routes, nil
}

// live, ready, modelReady and check say what a probe says.
func (s *served) live(r *http.Request, _ []byte) (protocol.Called, error) {
	return verdict(s.app.Live, r, 1, 0), nil
}

func (s *served) ready(r *http.Request, _ []byte) (protocol.Called, error) {
	return verdict(s.app.Ready, r, 1, 0), nil
}

func (s *served) modelReady(r *http.Request, message []byte) (protocol.Called, error) {
	_, err := s.model(message)
	if failure := (*protocol.Failure)(nil); errors.As(err, &failure) { // names of models are not for everybody, and probes need no credentials
		err = &protocol.Failure{Status: failure.Status, Message: "there is no such model, or not of this version"}
	}
	if err != nil {
		return protocol.Called{}, err
	}
	return verdict(s.app.Ready, r, 1, 0), nil
}

func (s *served) check(r *http.Request, message []byte) (protocol.Called, error) {
	service := ""
	err := fields(message, func(f field) error { return f.text(1, &service) })
	switch {
	case err != nil:
		return protocol.Called{}, err
	case service != "" && service != inferenceService && service != healthService:
		return protocol.Called{}, &protocol.Failure{Status: http.StatusNotFound, Message: fmt.Sprintf("service must be empty, %s or %s, found %q", inferenceService, healthService, service)}
	}
	const serving, notServing = 1, 2
	return verdict(s.app.Ready, r, serving, notServing), nil
}

// verdict asks a probe, and returns one of two values as field 1 of a message.
func verdict(probe http.Handler, r *http.Request, good, bad uint64) protocol.Called {
	asked := r.WithContext(r.Context())
	asked.Method = http.MethodGet
	status, _ := protocol.Ask(probe, asked)
	value := bad
	if status == http.StatusOK {
		value = good
	}
	called := protocol.Called{Status: status}
	if value > 0 { // else it is left out
		called.Message = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), value)
	}
	return called
}
