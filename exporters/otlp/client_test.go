package otlp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/encoding/protowire"
)

// scripted is a transport whose attempts fail with the given errors, in turn,
// and then succeed. Each attempt takes some time.
type scripted struct {
	errs  []error
	takes time.Duration
	began time.Time
	at    []time.Duration // when attempts began
}

func (s *scripted) Send(ctx context.Context, _ []byte) (Response, error) {
	s.at = append(s.at, time.Since(s.began))
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return Response{}, &Error{Reason: ReasonTimeout, Err: ctx.Err()}
	}
	if len(s.errs) == 0 {
		return Response{}, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return Response{}, err
}

func (s *scripted) Close() error { return nil }

// A partial success counts the items that were not rejected. A number below 1 is no
// partial success.
func TestPartialSuccess(t *testing.T) {
	for _, c := range []struct {
		rejected, exported, failures int64
	}{{0, 5, 0}, {-1, 5, 0}, {3, 2, 1}, {5, 0, 1}, {9, 0, 1}} {
		for _, response := range []Response{
			{JSON: true, Body: fmt.Appendf(nil, `{"partialSuccess":{"rejectedDataPoints":"%d","errorMessage":"too old"}}`, c.rejected)},
			{Body: protowire.AppendBytes([]byte{1<<3 | 2}, protowire.AppendVarint([]byte{1 << 3}, uint64(c.rejected)))},
		} {
			stats := &Stats{}
			exporter := &MetricExporter{&client{to: &constant{response}, timeout: time.Hour}, newOutcomes("metrics", Settings{Stats: stats})}
			rm := &metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
				{Name: "x", Data: metricdata.Gauge[int64]{DataPoints: make([]metricdata.DataPoint[int64], 5)}},
			}}}}
			err := exporter.Export(t.Context(), rm)
			if got := stats.Exported(); got != c.exported || stats.Failures(ReasonPartial) != c.failures || stats.LastSuccess().IsZero() != (c.exported == 0) {
				t.Errorf("rejected %d: %v, %d exported, %d failures, last at %s", c.rejected, err, got, stats.Failures(ReasonPartial), stats.LastSuccess())
			}
		}
	}
}

// constant is a transport that always returns the same response.
type constant struct{ response Response }

func (c *constant) Send(context.Context, []byte) (Response, error) { return c.response, nil }

func (c *constant) Close() error { return nil }

func TestRetry(t *testing.T) {
	later := &Error{Reason: ReasonUnavailable, Err: errors.New("later"), Retry: true}
	inAMinute := &Error{Reason: ReasonUnavailable, Err: errors.New("in a minute"), Retry: true, After: time.Minute}
	refused := &Error{Reason: ReasonRejected, Err: errors.New("no")}
	for _, c := range []struct {
		name    string
		errs    []error
		takes   time.Duration
		timeout time.Duration
		retry   Retry
		pauses  []time.Duration // the longest; half of each is random
		want    error
	}{
		{name: "success", timeout: time.Hour},
		{name: "it grows up to the longest", errs: []error{later, later, later, later, later}, timeout: time.Hour, retry: Retry{Initial: 4 * time.Second, Max: 10 * time.Second},
			pauses: []time.Duration{4 * time.Second, 6 * time.Second, 9 * time.Second, 10 * time.Second, 10 * time.Second}},
		{name: "the defaults", errs: []error{later, later}, timeout: time.Hour, pauses: []time.Duration{5 * time.Second, 7500 * time.Millisecond}},
		{name: "the longest is below the first", errs: []error{later, later}, timeout: time.Hour, retry: Retry{Max: time.Second}, pauses: []time.Duration{time.Second, time.Second}},
		{name: "the collector's pause", errs: []error{inAMinute}, timeout: time.Hour, pauses: []time.Duration{time.Minute}},
		{name: "the collector's pause is too long", errs: []error{inAMinute}, timeout: time.Minute, want: inAMinute},
		{name: "off", errs: []error{later}, timeout: time.Hour, retry: Retry{Off: true}, want: later},
		{name: "refused", errs: []error{refused}, timeout: time.Hour, want: refused},
		{name: "refused later", errs: []error{later, refused}, timeout: time.Hour, pauses: []time.Duration{5 * time.Second}, want: refused},
		{name: "no time is left for a pause", errs: []error{later}, timeout: 2 * time.Second, want: later},
		{name: "the last attempt runs out of time", errs: []error{later, later}, takes: 4 * time.Second, timeout: 9500 * time.Millisecond, retry: Retry{Initial: 4 * time.Second},
			pauses: []time.Duration{4 * time.Second}, want: later},
		{name: "the only attempt runs out of time", takes: time.Minute, want: context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &scripted{errs: c.errs, takes: c.takes, began: time.Now()}
				defer Register(Protocol{Name: "scripted", Endpoint: "http://x", Dial: func(Target) (Transport, error) { return to, nil }})()
				client := check.Value(newClient(Config{Protocol: "scripted", Timeout: c.timeout, Retry: c.retry}, Metrics))(t)
				if err := client.send(t.Context(), nil); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if len(to.at) != len(c.pauses)+1 {
					t.Fatalf("attempts at %v", to.at)
				}
				for i, longest := range c.pauses {
					if pause := to.at[i+1] - to.at[i] - c.takes; pause < longest/2 || pause > longest {
						t.Errorf("pause %d is %s, want %s to %s", i, pause, longest/2, longest)
					}
				}
			})
		})
	}
}

// A pause ends with its context.
func TestRetryIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := &Error{Reason: ReasonUnavailable, Err: errors.New("later"), Retry: true, After: time.Minute}
		client := &client{to: &scripted{errs: []error{later}}, timeout: time.Hour, retry: Retry{Initial: time.Second, Max: time.Second}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		if err := client.send(ctx, nil); !errors.Is(err, later) || time.Since(begun) != time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}

func TestSendAfterClose(t *testing.T) {
	client := &client{to: &scripted{}, timeout: time.Hour}
	check.Must(t, errors.Join(client.close(), client.close()))
	if err := client.send(t.Context(), nil); !errors.Is(err, errClosed) || ReasonOf(err) != ReasonInternal {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins in the year 2000
		for value, want := range map[string]time.Duration{
			"": 0, "0": 0, "7": 7 * time.Second, "-7": 0, "1.5": 0, "soon": 0, "4000000000": 24 * time.Hour, "40000000000": 0,
			"Sat, 01 Jan 2000 00:01:00 GMT": time.Minute, "Fri, 31 Dec 1999 00:00:00 GMT": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 24 * time.Hour,
		} {
			if got := retryAfter(value); got != want {
				t.Errorf("%q: got %s, want %s", value, got, want)
			}
		}
	})
}

// A protocol that is not linked is an error that names the import.
func TestGRPCNeedsItsPackage(t *testing.T) {
	defer Register(Protocol{Name: ProtocolGRPC})() // put back what there is
	protocols.Lock()
	delete(protocols.byName, ProtocolGRPC)
	protocols.Unlock()
	want := `otlp.protocol: "grpc" needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc"`
	check.Error(t, (Config{Protocol: ProtocolGRPC}).Validate(), want)
}

func TestRegister(t *testing.T) {
	names := func() (names []string) {
		for name := range protocols.byName {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	before := names()
	undo := Register(Protocol{Name: "a", Endpoint: "first"})
	undoSecond := Register(Protocol{Name: "a", Endpoint: "second"})
	if p, err := lookup("a"); err != nil || p.Endpoint != "second" {
		t.Errorf("got %+v, %v", p, err)
	}
	undoSecond()
	if p, err := lookup("a"); err != nil || p.Endpoint != "first" {
		t.Errorf("got %+v, %v", p, err)
	}
	undo()
	check.Equal(t, names(), before)
}
