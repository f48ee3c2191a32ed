package otlp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// sink is a transport to a collector that keeps the value of one counter. Each push
// takes some time, or fails.
type sink struct {
	takes time.Duration
	err   error

	value  int64 // of the counter
	pushes int
	closed bool
}

func (s *sink) Send(ctx context.Context, request []byte) (Response, error) {
	s.pushes++
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return Response{}, &Error{Reason: ReasonTimeout, Err: ctx.Err()}
	}
	if s.err != nil {
		return Response{}, s.err
	}
	var data metricspb.MetricsData
	if err := proto.Unmarshal(request, &data); err != nil {
		return Response{}, err
	}
	for _, scope := range data.GetResourceMetrics()[0].GetScopeMetrics() {
		for _, m := range scope.GetMetrics() {
			if m.GetSum().GetAggregationTemporality() == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
				s.value = 0
			}
			for _, point := range m.GetSum().GetDataPoints() {
				s.value += point.GetAsInt()
			}
		}
	}
	return Response{}, nil
}

func (s *sink) Close() error {
	s.closed = true
	return nil
}

// pushing is a pusher of one counter.
type pushing struct {
	*Pusher

	reader  *sdkmetric.ManualReader
	meter   metric.Meter
	counter metric.Int64Counter
	stats   *Stats
	log     *bytes.Buffer
}

// push starts to push to s: each minute, or at the interval of settings.
func push(t *testing.T, s *sink, temporality sdkmetric.TemporalitySelector, settings PushSettings) *pushing {
	t.Helper()
	p := &pushing{reader: sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(temporality)), stats: &Stats{}, log: &bytes.Buffer{}}
	p.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(p.reader)).Meter("test")
	var err error
	if p.counter, err = p.meter.Int64Counter("requests"); err != nil {
		t.Fatal(err)
	}
	defer Register(Protocol{Name: "sink", Endpoint: "http://x", Dial: func(Target) (Transport, error) { return s, nil }})()
	logger := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	settings.To = check.Value(NewMetricExporter(Settings{Config: Config{Protocol: "sink", Retry: Retry{Off: true}}, Stats: p.stats, Logger: logger}))(t)
	if settings.From == nil {
		settings.From = p.reader
	}
	p.Pusher = check.Value(NewPusher(settings))(t)
	return p
}

// A pusher that could not push is refused when it is made, not at its first push.
func TestPusherWithoutEnds(t *testing.T) {
	to := check.Value(NewMetricExporter(Settings{}))(t)
	for _, settings := range []PushSettings{{}, {To: to}, {From: sdkmetric.NewManualReader()}} {
		_, err := NewPusher(settings)
		check.Error(t, err, "otlp.NewPusher: From and To must not be nil")
	}
}

// minute waits for one push of the default interval, which comes after half of it.
func minute() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

// After a failure, the next push has all data with cumulative temporality. With delta
// temporality the data of the failed push is lost. Each failure is counted; a series
// of failures is logged once.
func TestPush(t *testing.T) {
	refused := &Error{Reason: ReasonRejected, Err: errors.New("no such tenant")}
	later := &Error{Reason: ReasonUnavailable, Err: errors.New("later")}
	for _, c := range []struct {
		temporality sdkmetric.TemporalitySelector
		want        []int64 // the value after each minute
	}{
		{sdkmetric.CumulativeTemporalitySelector, []int64{1, 1, 1, 1, 31}},
		{sdkmetric.DeltaTemporalitySelector, []int64{1, 1, 1, 1, 17}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			p := push(t, s, c.temporality, PushSettings{})
			time.Sleep(30 * time.Second) // away from the ticks
			for i, err := range []error{nil, refused, refused, later, nil} {
				s.err = err
				p.counter.Add(t.Context(), 1<<i)
				minute()
				if s.value != c.want[i] || s.pushes != i+1 {
					t.Errorf("minute %d: the value is %d after %d pushes, want %d", i, s.value, s.pushes, c.want[i])
				}
			}
			if err := p.Shutdown(t.Context()); err != nil || !s.closed {
				t.Errorf("%v, closed %t", err, s.closed)
			}
			if p.stats.Failures(ReasonRejected) != 2 || p.stats.Failures(ReasonUnavailable) != 1 || p.stats.Exported() < 2 || !p.stats.LastSuccess().Equal(time.Now()) {
				t.Errorf("%d rejected, %d exported, last at %s", p.stats.Failures(ReasonRejected), p.stats.Exported(), p.stats.LastSuccess())
			}
			want := `level=WARN msg="metrics cannot be pushed" reason=rejected error="no such tenant"
level=WARN msg="metrics cannot be pushed" reason=unavailable error=later
level=INFO msg="metrics are pushed again"
`
			check.Equal(t, p.log.String(), want)
		})
	}
}

// If a push takes longer than the interval, the next one waits for it.
func TestSlowPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{takes: 5 * time.Second}
		p := push(t, s, sdkmetric.DeltaTemporalitySelector, PushSettings{Interval: 2 * time.Second, Flush: 20 * time.Second})
		for range 60 {
			p.counter.Add(t.Context(), 1)
			time.Sleep(time.Second)
		}
		check.OK(t, p.Shutdown(t.Context()))
		if s.value != 60 || s.pushes != 13 {
			t.Errorf("the value is %d after %d pushes", s.value, s.pushes)
		}
	})
}

// If a callback fails, the other metrics are still pushed. A collection that yields
// nothing is counted.
func TestCollectionFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := push(t, s, sdkmetric.CumulativeTemporalitySelector, PushSettings{})
		if _, err := p.meter.Int64ObservableGauge("bad", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { return errors.New("no") })); err != nil {
			t.Fatal(err)
		}
		p.counter.Add(t.Context(), 3)
		const some = "the last push of metrics failed: some metrics cannot be collected: "
		if err := p.Shutdown(t.Context()); err == nil || !strings.HasPrefix(err.Error(), some) || p.stats.Failures(ReasonInternal) != 1 || s.value != 3 || p.stats.Exported() != 1 || p.stats.LastSuccess().IsZero() {
			t.Errorf("%v, %d failures, the value is %d, %d exported, last at %s", err, p.stats.Failures(ReasonInternal), s.value, p.stats.Exported(), p.stats.LastSuccess())
		}

		for want, from := range map[string]collectorFunc{
			"no":                               func() error { return errors.New("no") },
			"a metric callback panicked: oops": func() error { panic("oops") },
		} {
			s = &sink{}
			p = push(t, s, sdkmetric.CumulativeTemporalitySelector, PushSettings{From: from})
			err := p.Shutdown(t.Context())
			if err == nil || err.Error() != "the last push of metrics failed: metrics cannot be collected: "+want || p.stats.Failures(ReasonInternal) != 1 || s.pushes != 0 || !s.closed {
				t.Errorf("%v, %d failures, %d pushes, closed %t", err, p.stats.Failures(ReasonInternal), s.pushes, s.closed)
			}
		}
	})
}

// If nothing is collected, the data of an earlier push is not sent again.
func TestCollectionFailsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := push(t, s, sdkmetric.DeltaTemporalitySelector, PushSettings{From: &once{}})
		time.Sleep(defaultInterval + time.Second)
		if err := p.Shutdown(t.Context()); !errors.Is(err, errOnce) || s.value != 3 || s.pushes != 1 {
			t.Errorf("%v, the value is %d after %d pushes", err, s.value, s.pushes)
		}
	})
}

// once collects a counter of 3, and then fails.
type once struct{ done bool }

var errOnce = errors.New("no")

func (o *once) Collect(_ context.Context, rm *metricdata.ResourceMetrics) error {
	if o.done {
		return errOnce
	}
	o.done = true
	rm.ScopeMetrics = []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
		{Name: "x", Data: metricdata.Sum[int64]{Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.DataPoint[int64]{{Value: 3}}}},
	}}}
	return nil
}

type collectorFunc func() error

func (f collectorFunc) Collect(context.Context, *metricdata.ResourceMetrics) error { return f() }

// A push in progress has half of the time of Shutdown to finish; after that it
// is cancelled and counted, and the last push still takes place.
func TestShutdownDuringAPush(t *testing.T) {
	for takes, want := range map[time.Duration]int64{900 * time.Millisecond: 7, 1100 * time.Millisecond: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{takes: takes}
			p := push(t, s, sdkmetric.DeltaTemporalitySelector, PushSettings{Interval: time.Second})
			p.counter.Add(t.Context(), 7)
			time.Sleep(time.Second + time.Millisecond)
			begun := time.Now()
			err := p.Shutdown(t.Context())
			if took := time.Since(begun); took > defaultFlush+defaultFlush/8 {
				t.Errorf("it took %s", took)
			}
			lost := want == 0
			if s.value != want || s.pushes != 2 || lost != (err != nil) || lost != (p.stats.Failures(ReasonTimeout) > 0) {
				t.Errorf("a push takes %s: the value is %d after %d pushes, %v", takes, s.value, s.pushes, err)
			}
			if again := p.Shutdown(t.Context()); !errors.Is(again, err) {
				t.Errorf("once more: %v", again)
			}
		})
	}
}

// Shutdown keeps its limit although a callback hangs, in a push in progress or in the
// last one.
func TestShutdownWithACallbackThatHangs(t *testing.T) {
	for _, before := range []time.Duration{0, time.Minute + time.Millisecond} {
		for _, limit := range []time.Duration{time.Hour, time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				hangs := make(chan struct{})
				defer func() { close(hangs); synctest.Wait() }()
				p := push(t, &sink{}, sdkmetric.CumulativeTemporalitySelector, PushSettings{From: collectorFunc(func() error { <-hangs; return nil })})
				time.Sleep(before)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begun := time.Now()
				err := p.Shutdown(ctx)
				if took := time.Since(begun); took > min(limit, defaultFlush)+defaultFlush/8 {
					t.Errorf("it took %s", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "the last push of metrics failed: ") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
