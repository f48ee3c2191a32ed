// Package openinferencegrpc serves the APIs of an app over the Open Inference Protocol, version 2,
// over gRPC, as KServe, Triton and MLServer speak it. A program that sets
// http.open_inference_grpc must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/runtime/openinference/grpc"
//
// Package ekiben has this import. A call of inference.GRPCInferenceService is a request to the
// route of package openinference that does the same, inside of the process: it has the limits of
// that route, and is counted and logged as a request to it. Models, tensors and errors are the same.
// Only the service of reflection has routes of its own.
//
// Elements of a request are raw bytes or typed, and those of the response are as those of the
// request. The service grpc.health.v1.Health says what /readyz says; Watch is not implemented,
// and clients then take a server for healthy. Messages may be compressed with gzip; responses are
// not. Clients need HTTP/2, which the app also speaks without TLS then.
//
// The messages are those of github.com/kserve/open-inference-protocol.
package openinferencegrpc

import (
	"math"
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	_ "github.com/ekiben-serving/ekiben/runtime/openinference" // whose routes are called
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/inference"
)

func init() { protocol.OpenInferenceGRPC.Register(service{}) }

// service is the protocol over gRPC.
type service struct{}

// The services that clients can call, as reflection lists them.
const inferenceService = "inference.GRPCInferenceService"

// Routes returns the paths of all methods.
func (service) Routes(app protocol.App) ([]protocol.Route, error) {
	all := methods{app: &app, options: []connect.HandlerOption{connect.WithCompressMinBytes(math.MaxInt), connect.WithInterceptors(codes())}}
	if app.MaxBody > 0 {
		all.options = append(all.options, connect.WithReadMaxBytes(int(min(app.MaxBody, math.MaxInt32))))
	}
	unary(&all, "ServerLive", func(c *call, _ *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
		live, err := c.health("/v2/health/live")
		return &inference.ServerLiveResponse{Live: live}, err
	})
	unary(&all, "ServerReady", func(c *call, _ *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
		ready, err := c.health("/v2/health/ready")
		return &inference.ServerReadyResponse{Ready: ready}, err
	})
	unary(&all, "ModelReady", func(c *call, in *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
		path, err := c.model(in.GetName(), in.GetVersion())
		if err != nil {
			return nil, err
		}
		ready, err := c.health(path + "/ready")
		return &inference.ModelReadyResponse{Ready: ready}, err
	})
	unary(&all, "ServerMetadata", serverMetadata)
	unary(&all, "ModelMetadata", modelMetadata)
	unary(&all, "ModelInfer", infer)
	return append(all.routes, append(health(all), reflection()...)...), nil
}

// methods are the methods of a service.
type methods struct {
	app     *protocol.App
	options []connect.HandlerOption
	routes  []protocol.Route
}

// add adds a method that a handler serves.
func (m *methods) add(name string, handler http.Handler) {
	m.routes = append(m.routes, protocol.Route{Path: "/" + name, Root: true, Door: &door{m.app, name, handler}})
}

// unary adds a method of the inference service.
func unary[In, Out any](m *methods, name string, serve func(*call, *In) (*Out, error)) {
	name = inferenceService + "/" + name
	m.add(name, connect.NewUnaryHandler("/"+name, serveUnary(serve), m.options...))
}

// health returns the methods of the service grpc.health.v1.Health.
func health(m methods) []protocol.Route {
	m.routes = nil
	path, handler := grpchealth.NewHandler(healthChecker{}, m.options...)
	for _, name := range []string{"Check", "Watch"} {
		m.add(path[1:]+name, handler)
	}
	return m.routes
}

// reflection returns the methods of the services of reflection.
func reflection() (routes []protocol.Route) {
	reflector := grpcreflect.NewStaticReflector(inferenceService, grpchealth.HealthV1ServiceName)
	for _, of := range []func(*grpcreflect.Reflector, ...connect.HandlerOption) (string, http.Handler){grpcreflect.NewHandlerV1, grpcreflect.NewHandlerV1Alpha} {
		path, handler := of(reflector)
		routes = append(routes, protocol.Route{Path: path + "ServerReflectionInfo", Root: true, Handler: handler})
	}
	return routes
}
