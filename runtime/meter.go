package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

// declaredMeter is a metric.Meter whose instruments can be made before there is
// a provider, and record once there is: a service is a declaration, but the
// views that name and bucket its metrics are fixed when a provider is built.
//
// It is also where names are checked, because nowhere later can an error reach
// who made the metric.
type declaredMeter struct {
	embedded.Meter
	scope   string
	names   *declaredNames // shared with the summary meter beside it
	summary *declaredMeter

	mu    sync.Mutex
	bound metric.Meter
	wait  []func(metric.Meter) error
}

func newDeclaredMeter(scope string) *declaredMeter {
	names := &declaredNames{}
	return &declaredMeter{scope: scope, names: names, summary: &declaredMeter{
		scope: scope, names: names,
	}}
}

// SummaryMeter is the meter whose histograms have no boundaries: the page
// shows them as summaries. Package instrument looks for this method.
func (m *declaredMeter) SummaryMeter() metric.Meter {
	if m.summary == nil {
		return m
	}
	return m.summary
}

// bind connects every instrument made so far, and all that follow.
func (m *declaredMeter) bind(provider metric.MeterProvider) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bound = provider.Meter(m.scope)
	if m.summary == nil {
		m.bound = scopeattr.SummaryMeter(m.bound)
	}
	var errs []error
	for _, connect := range m.wait {
		errs = append(errs, connect(m.bound))
	}
	m.wait = nil
	if m.summary != nil {
		errs = append(errs, m.summary.bind(provider))
	}
	return errors.Join(errs...)
}

// connect runs now, or when there is a provider.
func (m *declaredMeter) connect(connect func(metric.Meter) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bound == nil {
		m.wait = append(m.wait, connect)
		return nil
	}
	return connect(m.bound)
}

// families lists the names on the page of what was made so far, in that order.
func (m *declaredMeter) families() []string { return m.names.list() }

// onDeclare is told the name on the page of whatever is made from now on.
func (m *declaredMeter) onDeclare(tell func(family string)) {
	m.names.mu.Lock()
	defer m.names.mu.Unlock()
	m.names.tell = tell
}

// without refuses names that are taken, from now on, and returns what was wrong
// with those made so far.
func (m *declaredMeter) without(names taken) error {
	m.names.mu.Lock()
	defer m.names.mu.Unlock()
	m.names.taken = names
	var errs []error
	for _, one := range m.names.made {
		if err := names.check(one.family); err != nil {
			errs = append(errs, fmt.Errorf("%s %w", one.kind, err))
		}
	}
	return errors.Join(errs...)
}

// declaredNames are the families of one service, in the order they were made.
type declaredNames struct {
	mu    sync.Mutex
	made  []declaredName
	taken taken
	tell  func(string)
}

type declaredName struct{ family, name, kind string }

func (n *declaredNames) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var families []string
	for _, one := range n.made {
		families = append(families, one.family)
	}
	return families
}

// kindWords are what a user calls an instrument.
var kindWords = map[sdkmetric.InstrumentKind]string{
	sdkmetric.InstrumentKindCounter:                 "counter",
	sdkmetric.InstrumentKindObservableCounter:       "counter",
	sdkmetric.InstrumentKindUpDownCounter:           "up-down counter",
	sdkmetric.InstrumentKindObservableUpDownCounter: "up-down counter",
	sdkmetric.InstrumentKindGauge:                   "gauge",
	sdkmetric.InstrumentKindObservableGauge:         "gauge",
	sdkmetric.InstrumentKindHistogram:               "histogram",
}

// add takes a name, or says why it cannot be had. Only a counter may be
// translated, by the _total it gains: dashboards must find the name that the
// code shows.
func (n *declaredNames) add(name, unit string, kind sdkmetric.InstrumentKind) error {
	what := fmt.Sprintf("%s %q", kindWords[kind], name)
	family, err := prometheus.FamilyName(name, unit, kind)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if family != name && (kindWords[kind] != "counter" || family != name+"_total") {
		if unit != "" {
			what += fmt.Sprintf(" with unit %q", unit)
		}
		return fmt.Errorf("%s: would be %q on the page; name it so", what, family)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.taken.check(family); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, other := range n.made {
		if clash(other.family, family) {
			return fmt.Errorf("%s: %q is taken by a %s made before", what, other.family, other.kind)
		}
	}
	n.made = append(n.made, declaredName{family: family, name: name, kind: kindWords[kind]})
	if n.tell != nil {
		n.tell(family)
	}
	return nil
}

// clash reports whether two families cannot share a page: the same name, or one
// that is a sample of the other ("x_count" beside the histogram "x").
func clash(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && slices.Contains([]string{"_total", "_bucket", "_count", "_sum"}, rest)
}

// duplicateMetrics names every family that two services of an app both made.
func duplicateMetrics(services []*Service) error {
	var errs []error
	for i, svc := range services {
		for _, family := range svc.meter.families() {
			for _, other := range services[:i] {
				if slices.Contains(other.meter.families(), family) {
					errs = append(errs, fmt.Errorf("service %q: metric %q: service %q has one of this name", svc.name, family, other.name))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// RegisterCallback registers f for instruments of this meter. A panic of f
// costs the values it would have observed, not the page.
func (m *declaredMeter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	registration := &declaredRegistration{}
	err := m.connect(func(meter metric.Meter) error {
		if registration.gone {
			return nil
		}
		real := make([]metric.Observable, len(instruments))
		for i, instrument := range instruments {
			real[i] = unwrapObservable(instrument)
		}
		made, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) (err error) {
			defer recoverCallback(&err)
			return f(ctx, declaredObserver{Observer: o})
		}, real...)
		registration.real = made
		return err
	})
	registration.meter = m
	return registration, err
}

func recoverCallback(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("callback of an observable instrument: panic: %v", p)
	}
}

type declaredRegistration struct {
	embedded.Registration
	meter *declaredMeter
	real  metric.Registration
	gone  bool
}

func (r *declaredRegistration) Unregister() error {
	r.meter.mu.Lock()
	defer r.meter.mu.Unlock()
	r.gone = true
	if r.real == nil {
		return nil
	}
	return r.real.Unregister()
}

// declaredObserver lets a callback observe the instruments it knows.
type declaredObserver struct{ metric.Observer }

func (o declaredObserver) ObserveInt64(i metric.Int64Observable, v int64, opts ...metric.ObserveOption) {
	if real, ok := unwrapObservable(i).(metric.Int64Observable); ok {
		o.Observer.ObserveInt64(real, v, opts...)
	}
}

func (o declaredObserver) ObserveFloat64(i metric.Float64Observable, v float64, opts ...metric.ObserveOption) {
	if real, ok := unwrapObservable(i).(metric.Float64Observable); ok {
		o.Observer.ObserveFloat64(real, v, opts...)
	}
}
