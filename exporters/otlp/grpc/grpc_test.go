package otlpgrpc

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a collector that uses the generated types. It responds with one status.
type service struct {
	collectorpb.UnimplementedMetricsServiceServer

	says *status.Status
}

func (s service) Export(context.Context, *collectorpb.ExportMetricsServiceRequest) (*collectorpb.ExportMetricsServiceResponse, error) {
	return &collectorpb.ExportMetricsServiceResponse{}, s.says.Err()
}

// Codes are retryable or not as the specification of OTLP says.
func TestCodes(t *testing.T) {
	delayed := func(code codes.Code) *status.Status {
		s := check.Value(status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}))(t)
		return s
	}
	for _, c := range []struct {
		says *status.Status
		want otlp.Error
	}{
		{status.New(codes.Unavailable, ""), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true}},
		{delayed(codes.Unavailable), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true, After: 7 * time.Second}},
		{status.New(codes.ResourceExhausted, "too large"), otlp.Error{Reason: otlp.ReasonRejected}},
		{delayed(codes.ResourceExhausted), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true, After: 7 * time.Second}},
		{status.New(codes.Aborted, ""), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true}},
		{status.New(codes.OutOfRange, ""), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true}},
		{status.New(codes.DataLoss, ""), otlp.Error{Reason: otlp.ReasonUnavailable, Retry: true}},
		{status.New(codes.DeadlineExceeded, ""), otlp.Error{Reason: otlp.ReasonTimeout, Retry: true}},
		{status.New(codes.Canceled, ""), otlp.Error{Reason: otlp.ReasonTimeout, Retry: true}},
		{status.New(codes.InvalidArgument, ""), otlp.Error{Reason: otlp.ReasonRejected}},
		{status.New(codes.Unauthenticated, ""), otlp.Error{Reason: otlp.ReasonRejected}},
		{status.New(codes.PermissionDenied, ""), otlp.Error{Reason: otlp.ReasonRejected}},
		{status.New(codes.Unimplemented, ""), otlp.Error{Reason: otlp.ReasonRejected}},
		{status.New(codes.Internal, ""), otlp.Error{Reason: otlp.ReasonRejected}},
		{status.New(codes.Unknown, ""), otlp.Error{Reason: otlp.ReasonRejected}},
	} {
		t.Run(c.says.String(), func(t *testing.T) {
			listener, server := listen(t), grpc.NewServer()
			collectorpb.RegisterMetricsServiceServer(server, service{says: c.says})
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			exporter, err := otlp.NewMetricExporter(otlp.Settings{Config: otlp.Config{
				Protocol: "grpc", Endpoint: "http://" + listener.Addr().String(), Retry: otlp.Retry{Off: true},
			}})
			if err != nil {
				t.Fatal(err)
			}
			err = exporter.Export(t.Context(), &metricdata.ResourceMetrics{})
			var failed *otlp.Error
			if !errors.As(err, &failed) {
				t.Fatal(err)
			}
			if failed.Reason != c.want.Reason || failed.Retry != c.want.Retry || failed.After != c.want.After || status.Code(failed.Err) != c.says.Code() {
				t.Errorf("got %s, retry %t after %s: %v", failed.Reason, failed.Retry, failed.After, err)
			}
			check.OK(t, exporter.Shutdown(t.Context()))
		})
	}
}

// A new failure of a connection does not get the reason of an earlier one.
func TestReasonIsTheLast(t *testing.T) {
	listener := listen(t)
	go func() { // one connection, whose first bytes are not HTTP/2
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Write([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
			_ = listener.Close()
			_, _ = conn.Read(make([]byte, 1<<10))
			_ = conn.Close()
		}
	}()
	var before *failure
	for _, want := range []otlp.Reason{otlp.ReasonInvalidResponse, otlp.ReasonUnreachable} {
		dialled := check.Value(dial(otlp.Target{Signal: otlp.Metrics, URL: &url.URL{Host: listener.Addr().String()}}))(t)
		last := dialled.(*transport).secured.last
		last.Store(before) // as if it had connected again
		var failed *otlp.Error
		if _, err := dialled.Send(t.Context(), nil); !errors.As(err, &failed) || failed.Reason != want {
			t.Errorf("got %v, want the reason %s", err, want)
		}
		if before = last.Load(); before == nil {
			t.Error("the first failure was not seen")
		}
		check.OK(t, dialled.Close())
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	listener := check.Value(config.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	return listener
}
