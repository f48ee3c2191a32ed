package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// Names is the registry of metric names of one app. Each name is used once: a
// second metric with an equal name would be merged into the first, or dropped.
// Its methods are safe for concurrent use.
type Names struct {
	reserved []string
	declared func(family string) // called with each new name, in order

	mu   sync.Mutex
	used []usedName
	errs []error
}

type usedName struct{ family, kind, service string }

// defaultFamilies are BentoML's default metrics, in BentoML's order.
var defaultFamilies = []string{views.RequestInProgress, views.RequestTotal, views.RequestDuration, views.AdaptiveBatchSize, views.LastRequestTimestamp}

// goFamilies are the metrics of OpenTelemetry's instrumentation of the Go runtime.
var goFamilies = []string{
	"go_config_gogc_percent", "go_goroutine_count", "go_memory_allocated_bytes_total", "go_memory_allocations_total", "go_memory_gc_goal_bytes",
	"go_memory_limit_bytes", "go_memory_used_bytes", "go_processor_limit", "go_schedule_duration_seconds",
}

// newNames reserves the names that the runtime emits under cfg. Other names in
// BentoML's namespace are free: people put custom metrics there.
func newNames(cfg config.Metrics, declared func(string)) *Names {
	reserved := []string{"target_info", "otel_scope_info"}
	if slices.Contains(cfg.Conventions, "bentoml") {
		for _, family := range defaultFamilies {
			reserved = append(reserved, cfg.Namespace()+"_"+family)
		}
	}
	if slices.Contains(cfg.Conventions, "http") {
		reserved = append(reserved, "http_server_request_duration_seconds")
	}
	if cfg.GoRuntime {
		reserved = append(reserved, goFamilies...)
	}
	return &Names{reserved: reserved, declared: declared}
}

// Families lists the names of the services' own metrics, in the order in which
// they were declared.
func (n *Names) Families() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	families := make([]string, len(n.used))
	for i, one := range n.used {
		families[i] = one.family
	}
	return families
}

// Err returns the errors of all names that were refused so far, joined.
func (n *Names) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.errs...)
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

// add registers the name of a service's metric, or returns why it is refused.
// A counter may gain _total. Any other name must be the same on /metrics as in
// the code, so that a dashboard finds it.
func (n *Names) add(service, name, unit string, kind sdkmetric.InstrumentKind) error {
	what := fmt.Sprintf("%s %q", kindWords[kind], name)
	if unit != "" {
		what += fmt.Sprintf(" with unit %q", unit)
	}
	family, err := prometheus.FamilyName(name, unit, kind)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
	case family != name && (kindWords[kind] != "counter" || family != name+"_total"):
		err = fmt.Errorf("would be %q on /metrics; use that name", family)
	default:
		err = n.free(family)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
		n.errs = append(n.errs, fmt.Errorf("service %q: %w", service, err))
		return err
	}
	n.used = append(n.used, usedName{family: family, kind: kindWords[kind], service: service})
	if n.declared != nil {
		n.declared(family)
	}
	return nil
}

// free returns why a family name cannot be used, or nil. n.mu is held.
func (n *Names) free(family string) error {
	if strings.HasPrefix(family, "ekiben_") {
		return fmt.Errorf("%q: the prefix ekiben_ is reserved for the runtime", family)
	}
	for _, own := range n.reserved {
		if clash(own, family) {
			return fmt.Errorf("%q: the runtime emits %q itself", family, own)
		}
	}
	for _, other := range n.used {
		if clash(other.family, family) {
			return fmt.Errorf("%q: service %q has a %s named %q", family, other.service, other.kind, other.family)
		}
	}
	return nil
}

// clash reports whether two families cannot be exposed together: they have the
// same name but for case, which OpenTelemetry ignores, or one is a sample of
// the other ("x_count" beside the histogram "x").
func clash(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return true
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && slices.Contains([]string{"_total", "_bucket", "_count", "_sum", "_created"}, rest)
}
