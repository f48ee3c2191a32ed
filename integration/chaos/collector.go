package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// mood is how the collector treats pushes.
type mood int32

const (
	accept mood = iota
	refuse      // 503
	fail        // 400, which must not be sent again
	hang
	cut // reset the connection
	moods
)

// collector is an OpenTelemetry collector that keeps the last points of request_total.
type collector struct {
	url  string
	mood atomic.Int32
	end  chan struct{}
	srv  *http.Server

	mu     sync.Mutex
	points map[string]map[labels]int // by the path of the push, which each incarnation has its own
}

func newCollector() (*collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &collector{url: "http://" + listener.Addr().String(), end: make(chan struct{}), points: map[string]map[labels]int{}}
	c.srv = &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func() { _ = c.srv.Serve(listener) }() // until close
	return c, nil
}

func (c *collector) close() {
	close(c.end)
	_ = c.srv.Close()
}

// ServeHTTP receives a push.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch mood(c.mood.Load()) {
	case refuse:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case fail:
		w.WriteHeader(http.StatusBadRequest)
		return
	case hang:
		select {
		case <-r.Context().Done():
		case <-c.end:
		}
		return
	case cut:
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	var push collectormetrics.ExportMetricsServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &push)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.take(r.URL.Path, &push)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// take keeps the points of request_total.
func (c *collector) take(path string, push *collectormetrics.ExportMetricsServiceRequest) {
	points := map[labels]int{}
	for _, resource := range push.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				if m.GetName() == namespace+"request_total" || m.GetName() == namespace+"request" {
					addPoints(points, m.GetSum().GetDataPoints())
				}
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points[path] = points
}

func addPoints(to map[labels]int, points []*metrics.NumberDataPoint) {
	for _, point := range points {
		status, _ := strconv.Atoi(attribute(point.GetAttributes(), "http_response_code"))
		n := int(point.GetAsInt()) + int(point.GetAsDouble())
		if n > 0 { // a series at 0 is left out
			to[labels{attribute(point.GetAttributes(), "endpoint"), status}] += n
		}
	}
}

func attribute(from []*common.KeyValue, key string) string {
	for _, kv := range from {
		if kv.GetKey() == key {
			if i, ok := kv.GetValue().GetValue().(*common.AnyValue_IntValue); ok {
				return strconv.FormatInt(i.IntValue, 10)
			}
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// pushPath is where an incarnation pushes.
func pushPath(incarnation int) string { return "/v1/metrics/" + strconv.Itoa(incarnation) }

// last returns the points of the last push of an incarnation.
func (c *collector) last(incarnation int) map[labels]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.points[pushPath(incarnation)]
}
