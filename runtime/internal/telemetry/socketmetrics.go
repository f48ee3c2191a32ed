package telemetry

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/views"
)

// socketInstruments has the instruments of WebSockets.
type socketInstruments struct {
	connections    metric.Int64ObservableUpDownCounter
	received, sent metric.Int64Histogram
}

func newSocketInstruments(bento metric.Meter) (*socketInstruments, error) {
	connections, err1 := bento.Int64ObservableUpDownCounter(views.WebsocketConnections, metric.WithDescription("Total number of websocket connections"))
	received, err2 := bento.Int64Histogram(views.WebsocketDataReceived, metric.WithDescription("Total number of bytes received from websocket"))
	sent, err3 := bento.Int64Histogram(views.WebsocketDataSent, metric.WithDescription("Total number of bytes sent to websocket"))
	return &socketInstruments{connections, received, sent}, errors.Join(err1, err2, err3)
}

// sockets counts the WebSockets of one endpoint.
type sockets struct {
	opened atomic.Bool
	open   atomic.Int64

	once   sync.Once
	labels metric.ObserveOption
	record []metric.RecordOption

	mu     sync.Mutex
	closed map[string]*closedSockets // by close code; nil: none
}

// closedSockets is how many WebSockets were closed with one code.
type closedSockets struct {
	count  int64
	labels metric.ObserveOption
}

// OpenSocket counts a WebSocket as open.
func (e *Endpoint) OpenSocket() {
	if e == nil || e.service.t.sockets == nil {
		return
	}
	e.sockets.once.Do(func() {
		option := metric.WithAttributeSet(e.service.labels(attribute.String("endpoint", e.label)))
		e.sockets.labels, e.sockets.record = option, []metric.RecordOption{option}
	})
	e.sockets.open.Add(1)
	e.sockets.opened.Store(true)
}

// CloseSocket counts a WebSocket as closed with a code.
func (e *Endpoint) CloseSocket(code int) {
	if e == nil || e.service.t.sockets == nil {
		return
	}
	e.sockets.open.Add(-1)
	label := codeLabel(code)
	e.sockets.mu.Lock()
	defer e.sockets.mu.Unlock()
	one := e.sockets.closed[label]
	if one == nil {
		if e.sockets.closed == nil {
			e.sockets.closed = map[string]*closedSockets{}
		}
		one = &closedSockets{labels: metric.WithAttributeSet(e.service.labels(attribute.String("endpoint", e.label), attribute.String("code", label)))}
		e.sockets.closed[label] = one
	}
	one.count++
}

// codeLabel bounds the values of the label code: a client may choose any code above 3000.
func codeLabel(code int) string {
	switch {
	case code >= 4000:
		return "4xxx"
	case code >= 3000:
		return "3xxx"
	}
	return strconv.Itoa(code)
}

// SocketReceived records the size of a message that a WebSocket has received.
func (e *Endpoint) SocketReceived(size int) {
	if e != nil && e.service.t.sockets != nil {
		e.service.t.sockets.received.Record(context.Background(), int64(size), e.sockets.record...)
	}
}

// SocketSent records the size of a message that a WebSocket sends.
func (e *Endpoint) SocketSent(size int) {
	if e != nil && e.service.t.sockets != nil {
		e.service.t.sockets.sent.Record(context.Background(), int64(size), e.sockets.record...)
	}
}

// observeSockets registers the gauge of open WebSockets and the counter of closed ones. Own
// is the meter of our own metrics.
func (t *Telemetry) observeSockets(own metric.Meter) error {
	if t.sockets == nil {
		return nil
	}
	_, err := t.bento().Meter(views.Scope).RegisterCallback(func(_ context.Context, o metric.Observer) error {
		t.eachSocketEndpoint(func(e *Endpoint) { o.ObserveInt64(t.sockets.connections, e.sockets.open.Load(), e.sockets.labels) })
		return nil
	}, t.sockets.connections)
	_, err2 := own.Int64ObservableCounter("ekiben.websocket.closed", metric.WithUnit("{socket}"),
		metric.WithDescription("WebSockets that were closed, by close code; 1006: the connection was lost"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			t.eachSocketEndpoint(func(e *Endpoint) {
				e.sockets.mu.Lock()
				defer e.sockets.mu.Unlock()
				for _, one := range e.sockets.closed {
					o.Observe(one.count, one.labels)
				}
			})
			return nil
		}))
	return errors.Join(err, err2)
}

// eachSocketEndpoint calls f for each endpoint that has had a WebSocket.
func (t *Telemetry) eachSocketEndpoint(f func(*Endpoint)) {
	for _, s := range t.services {
		for _, e := range s.listEndpoints() {
			if e.sockets.opened.Load() {
				f(e)
			}
		}
	}
}
