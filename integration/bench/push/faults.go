package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// fault is a collector that does one thing.
type fault struct {
	name  string
	start func() (endpoint string, end func(), err error)
}

// faults begin with what the others are measured by.
var faults = []fault{
	{"none is pushed to", nowhere},
	{"none, once more", nowhere}, // how far apart two of the same are
	{"takes it", answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })},
	{"refuses connections", refusing},
	{"answers nothing", answering(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
	{"503 for ever", answering(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })},
	{"resets connections", answering(reset)},
	{"takes a part", answering(partial)},
	{"is slow, half a second", answering(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-r.Context().Done():
		}
	})},
}

func answering(answer http.HandlerFunc) func() (string, func(), error) {
	return func() (string, func(), error) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice who hangs up
			answer(w, r)
		}))
		return server.URL, server.Close, nil
	}
}

func nowhere() (string, func(), error) { return "", func() {}, nil }

func refusing() (string, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return "http://" + listener.Addr().String(), func() {}, listener.Close()
}

func reset(w http.ResponseWriter, _ *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	connection, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

func partial(w http.ResponseWriter, _ *http.Request) {
	answer, err := proto.Marshal(&collector.ExportMetricsServiceResponse{
		PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"},
	})
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}
