package openinferencegrpc_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/openinference/grpc/internal/inference"
)

// The app's own server speaks HTTP/2 without TLS, to clients of gRPC as to those of HTTP/1.1, and
// drains calls as it drains requests.
func TestServer(t *testing.T) {
	app := newApp(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }, declare)
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- app.Serve(ctx, listener) }()
	url := "http://" + listener.Addr().String()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	client := &http.Client{Transport: transport}
	infer := connect.NewClient[inference.ModelInferRequest, inference.ModelInferResponse](client, url+"/inference.GRPCInferenceService/ModelInfer", connect.WithGRPC(), connect.WithSendGzip())
	out, err := infer.CallUnary(ctx, connect.NewRequest(x(t, "1")))
	check.Must(t, err)
	check.Equal(t, text(t, out.Msg), `model_name:"add" outputs:{name:"output" datatype:"FP64" shape:1 contents:{fp64_contents:2}}`)
	check.Equal(t, out.Header().Get("X-Model"), "m")
	_, err = infer.CallUnary(ctx, connect.NewRequest(request(t, "")))
	check.Error(t, err, "invalid_argument: the name of the model must be there, and name and version must have no slash")

	reflected := grpcreflect.NewClient(client, url, connect.WithGRPC()).NewStream(ctx)
	names := check.Value(reflected.ListServices())(t)
	check.Equal(t, len(names), 2)
	for _, name := range names {
		if _, err := reflected.FileContainingSymbol(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = reflected.Close()
	check.OK(t, err)
	res, err := http.Get(url + "/ml/livez")
	check.Must(t, err, res.Body.Close())
	check.Equal(t, res.ProtoMajor, 1)
	transport.CloseIdleConnections()
	stop()
	check.OK(t, <-ended)
}

// A call that has begun is served to its end, and counted as cut off if it does not end in time.
func TestDrain(t *testing.T) {
	for name, row := range map[string]struct {
		grace time.Duration
		code  connect.Code // 0: OK
	}{"in time": {time.Minute, 0}, "too late": {time.Millisecond, connect.CodeUnavailable}} {
		t.Run(name, func(t *testing.T) {
			begun, end := make(chan struct{}), make(chan struct{})
			app := newApp(func(c *config.Config) { c.Shutdown.Idle, c.Shutdown.Grace = 0, row.grace }, func(app *runtime.App) {
				runtime.Handle(app, "add", func(context.Context, point) (int, error) {
					close(begun)
					<-end
					return 1, nil
				})
			})
			listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- app.Serve(ctx, listener) }()
			var protocols http.Protocols
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{Protocols: &protocols}
			defer transport.CloseIdleConnections()
			infer := connect.NewClient[inference.ModelInferRequest, inference.ModelInferResponse](&http.Client{Transport: transport}, "http://"+listener.Addr().String()+"/inference.GRPCInferenceService/ModelInfer", connect.WithGRPC())
			called := make(chan error, 1)
			go func() {
				_, err := infer.CallUnary(context.Background(), connect.NewRequest(x(t, "1")))
				called <- err
			}()
			<-begun
			stop()
			if row.code == 0 {
				close(end)
			}
			err := <-called
			if row.code == 0 {
				check.OK(t, err, <-ended)
				return
			}
			check.Equal(t, connect.CodeOf(err), row.code)
			close(end)
			if err := <-ended; err == nil {
				t.Error("the app does not say that it has cut a request off")
			}
		})
	}
}
