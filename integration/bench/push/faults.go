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

// fault is a collector with one behaviour.
type fault struct {
	name  string
	start func() (endpoint string, end func(), err error)
}

// faults lists the behaviours. The first one is the base of the ratios.
var faults = []fault{
	{"no push", nowhere},
	{"no push, again", nowhere}, // shows the noise
	{"accepts", responding(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })},
	{"refuses connections", refusing},
	{"does not respond", responding(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
	{"always 503", responding(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })},
	{"resets connections", responding(reset)},
	{"accepts a part", responding(partial)},
	{"responds after 0.5 s", responding(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-r.Context().Done():
		}
	})},
}

func responding(respond http.HandlerFunc) func() (string, func(), error) {
	return func() (string, func(), error) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices a client that hangs up
			respond(w, r)
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
	response, err := proto.Marshal(&collector.ExportMetricsServiceResponse{
		PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"},
	})
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(response)
}
