package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
	"github.com/ekiben-serving/ekiben/views"
)

// durations makes the duration histograms: one for all endpoints with the general
// boundaries, and one for each endpoint with its own boundaries. Each has its own
// scope, because a view sees the scope but not the attributes.
type durations struct {
	provider metric.MeterProvider
	ours     bool // the runtime built the provider
	cfg      views.Config

	mu   sync.Mutex // endpoints of mounts are added while the app runs
	made map[string]metric.Float64Histogram
}

// of returns the histogram of a route, and its native histogram or nil. With a
// provider that the user built, there is only one of both: otherwise the series would
// be exported twice.
func (d *durations) of(route string) (histogram, native metric.Float64Histogram, err error) {
	if d.cfg.Duration.Native {
		native, err = d.make("native", scopeattr.Native.Bool(true))
		if err != nil || !d.ours {
			return native, nil, err
		}
	}
	switch _, own := d.cfg.Endpoints[route]; {
	case own:
		histogram, err = d.make(route, scopeattr.Endpoint.String(route))
	case len(d.cfg.Endpoints) == 0 && native == nil: // a reader of the user's would see the attribute
		histogram, err = d.make("")
	default:
		histogram, err = d.make("", scopeattr.Endpoint.String(""))
	}
	return histogram, native, err
}

func (d *durations) make(key string, scope ...attribute.KeyValue) (metric.Float64Histogram, error) {
	if !d.ours {
		key, scope = "", nil // other exporters would show the attributes as labels
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if histogram, ok := d.made[key]; ok {
		return histogram, nil
	}
	histogram, err := d.provider.Meter(views.Scope, metric.WithInstrumentationAttributes(scope...)).Float64Histogram(views.RequestDuration,
		metric.WithDescription("runner RPC duration in seconds"), metric.WithUnit("s"))
	if err == nil {
		d.made[key] = histogram
	}
	return histogram, err
}
