package openinferencegrpc_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/messages"
)

// server is an app that is served.
type server struct {
	address string
	client  *grpc.ClientConn
	stop    context.CancelFunc
	ended   chan error
}

// start serves an app on a port, with a client of gRPC.
func start(t *testing.T, app *runtime.App) *server {
	t.Helper()
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	ctx, stop := context.WithCancel(context.Background())
	s := &server{listener.Addr().String(), nil, stop, make(chan error, 1)}
	go func() { s.ended <- app.Serve(ctx, listener) }()
	s.client = check.Value(grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	t.Cleanup(func() {
		stop()
		_ = s.client.Close()
	})
	return s
}

func (s *server) infer(in *messages.ModelInferRequest, options ...grpc.CallOption) (*messages.ModelInferResponse, error) {
	out := &messages.ModelInferResponse{}
	return out, s.client.Invoke(context.Background(), "/"+modelInfer, in, out, options...)
}

// The app's own server speaks HTTP/2 without TLS, to clients of gRPC as to those of HTTP/1.1.
func TestServer(t *testing.T) {
	s := start(t, newApp(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }, declare))
	var header metadata.MD
	out, err := s.infer(x(t, "1"), grpc.UseCompressor(gzip.Name), grpc.Header(&header))
	check.Must(t, err)
	check.Equal(t, text(t, out), `model_name:"add" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`)
	check.Equal(t, header.Get("x-model"), []string{"m"})
	_, err = s.infer(request(t, ""))
	check.Error(t, err, `rpc error: code = NotFound desc = model "": must be one of [echo, add, double]`)
	res, err := http.Get("http://" + s.address + "/ml/livez")
	check.Must(t, err, res.Body.Close())
	check.Equal(t, res.ProtoMajor, 1)
	check.OK(t, s.client.Close())
	s.stop()
	check.OK(t, <-s.ended)
}

// Reflection describes the services, and a stream that asks nothing holds up no drain.
func TestReflection(t *testing.T) {
	s := start(t, newApp(nil, declare))
	stream := check.Value(grpc_reflection_v1.NewServerReflectionClient(s.client).ServerReflectionInfo(t.Context()))(t)
	ask := func(question *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		check.Must(t, stream.Send(question))
		return check.Value(stream.Recv())(t)
	}
	listed := ask(&grpc_reflection_v1.ServerReflectionRequest{Host: "h", MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	check.Equal(t, listed.GetValidHost()+listed.GetOriginalRequest().GetHost(), "hh")
	check.Equal(t, len(listed.GetListServicesResponse().GetService()), 2)
	for _, service := range listed.GetListServicesResponse().GetService() {
		got := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service.GetName()}})
		var file descriptorpb.FileDescriptorProto
		check.Must(t, proto.Unmarshal(got.GetFileDescriptorResponse().GetFileDescriptorProto()[0], &file))
		byName := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: file.GetName()}})
		check.Equal(t, len(byName.GetFileDescriptorResponse().GetFileDescriptorProto()), 1)
	}
	got := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "no"}})
	check.Equal(t, got.GetErrorResponse().GetErrorMessage(), `there is no "no"`)
	s.stop()
	check.OK(t, <-s.ended)
}

// A call that has begun is served to its end, or counted as cut off if it does not end in time.
func TestDrain(t *testing.T) {
	for name, row := range map[string]struct {
		grace time.Duration
		code  codes.Code
	}{"in time": {time.Minute, codes.OK}, "too late": {time.Millisecond, codes.Unavailable}} {
		t.Run(name, func(t *testing.T) {
			begun, end := make(chan struct{}), make(chan struct{})
			s := start(t, newApp(func(c *config.Config) { c.Shutdown.Idle, c.Shutdown.Grace = 0, row.grace }, func(app *runtime.App) {
				runtime.Handle(app, "add", func(context.Context, point) (int, error) {
					close(begun)
					<-end
					return 1, nil
				})
			}))
			called := make(chan error, 1)
			in := x(t, "1")
			go func() {
				_, err := s.infer(in)
				called <- err
			}()
			<-begun
			s.stop()
			if row.code == codes.OK {
				close(end)
			}
			check.Equal(t, grpcstatus.Code(<-called), row.code)
			if row.code != codes.OK {
				close(end)
			}
			if err := <-s.ended; (err == nil) != (row.code == codes.OK) {
				t.Errorf("the app ends with %v", err)
			}
		})
	}
}
