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

// Names is the registry of metric names of one app. Each name can be used once,
// because a second metric with the same name would be merged into the first, or
// dropped. Its methods are safe for concurrent use.
type Names struct {
	declared func(family string) // called for each new name, in order

	mu       sync.Mutex
	owners   map[string]usedName // by sample name, in lower case: OpenTelemetry ignores case
	families []string            // of the services, in order
	errs     []error
}

type usedName struct{ family, kind, service string } // service "": the runtime

// defaultFamilies lists BentoML's default metrics, in BentoML's order.
var defaultFamilies = []string{views.RequestInProgress, views.RequestTotal, views.RequestDuration, views.AdaptiveBatchSize, views.LastRequestTimestamp,
	views.WebsocketConnections, views.WebsocketDataReceived, views.WebsocketDataSent}

// goFamilies lists the metrics of OpenTelemetry's instrumentation of the Go runtime.
var goFamilies = []string{
	"go_config_gogc_percent", "go_goroutine_count", "go_memory_allocated_bytes_total", "go_memory_allocations_total", "go_memory_gc_goal_bytes",
	"go_memory_limit_bytes", "go_memory_used_bytes", "go_processor_limit", "go_schedule_duration_seconds",
}

// newNames reserves the names that the runtime emits with cfg. Other names in
// BentoML's namespace are free for custom metrics.
func newNames(cfg config.Metrics, declared func(string)) *Names {
	n := &Names{declared: declared, owners: map[string]usedName{}}
	n.reserve("target_info", "otel_scope_info")
	if slices.Contains(cfg.Conventions, "bentoml") {
		for _, family := range defaultFamilies {
			n.reserve(cfg.Namespace() + "_" + family)
		}
	}
	others := []string{}
	if slices.Contains(cfg.Conventions, "http") {
		others = append(others, "http_server_request_duration_seconds")
	}
	if slices.Contains(cfg.Conventions, "gen_ai") {
		others = append(others, genAIFamilies...)
	}
	if slices.Contains(cfg.Conventions, "rpc") {
		others = append(others, rpcFamily)
	}
	if cfg.GoRuntime {
		others = append(others, goFamilies...)
	}
	for _, family := range others {
		if other, used := n.owners[family]; used && cfg.Enabled {
			n.errs = append(n.errs, fmt.Errorf("metrics.namespace: %q gives one of BentoML's metrics the name %q, which another metric of the runtime has; choose another namespace, or leave one of them out of metrics.conventions",
				cfg.Namespace(), other.family))
		}
	}
	n.reserve(others...)
	return n
}

// reserve registers families of the runtime. The kind follows from the name.
func (n *Names) reserve(families ...string) {
	for _, family := range families {
		one := usedName{family: family, kind: "gauge"}
		switch {
		case strings.HasSuffix(family, "_total"):
			one.kind = "counter"
		case strings.HasSuffix(family, "_duration_seconds"), strings.HasSuffix(family, "_batch_size"), strings.HasPrefix(family, "gen_ai_"), strings.Contains(family, "_websocket_data_"):
			one.kind = "histogram"
		}
		n.own(one)
	}
}

func (n *Names) own(one usedName) {
	for _, sample := range one.samples() {
		n.owners[sample] = one
	}
}

// Families lists the names of the services' own metrics, in the order of their
// declaration.
func (n *Names) Families() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.families)
}

// Err returns the errors of all names refused so far, joined.
func (n *Names) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.errs...)
}

// kindWords has the names of the kinds for error messages.
var kindWords = map[sdkmetric.InstrumentKind]string{
	sdkmetric.InstrumentKindCounter:                 "counter",
	sdkmetric.InstrumentKindObservableCounter:       "counter",
	sdkmetric.InstrumentKindUpDownCounter:           "up-down counter",
	sdkmetric.InstrumentKindObservableUpDownCounter: "up-down counter",
	sdkmetric.InstrumentKindGauge:                   "gauge",
	sdkmetric.InstrumentKindObservableGauge:         "gauge",
	sdkmetric.InstrumentKindHistogram:               "histogram",
}

// add registers the name of a service's metric, or returns why it is refused. The
// name must be the same on /metrics as in the code, so that a dashboard finds it;
// only _total may be added to a counter. word is the kind for error messages.
func (n *Names) add(service, name, unit string, kind sdkmetric.InstrumentKind, word string) error {
	what := fmt.Sprintf("%s %q", word, name)
	if unit != "" {
		what += fmt.Sprintf(" with unit %q", unit)
	}
	family, err := prometheus.FamilyName(name, unit, kind)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case name == "":
		err = errors.New("must have a name")
	case err != nil:
	case family != name && (word != "counter" || family != name+"_total"):
		err = fmt.Errorf("would be %q on /metrics; use that name", family)
	default:
		if err = n.free(usedName{family, word, service}); err != nil && family != name {
			err = fmt.Errorf("%q: %w", family, err)
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
		n.keep(fmt.Errorf("service %q: %w", service, err))
		return err
	}
	n.own(usedName{family, word, service})
	n.families = append(n.families, family)
	if n.declared != nil {
		n.declared(family)
	}
	return nil
}

// note records an error of OpenTelemetry's SDK, which Err also returns.
func (n *Names) note(service string, err error) {
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.keep(fmt.Errorf("service %q: %w", service, err))
	}
}

// mostErrors bounds the errors that are kept: a function may ask for a refused metric in each request.
const mostErrors = 100

// keep keeps an error for Err. n.mu is held.
func (n *Names) keep(err error) {
	if len(n.errs) < mostErrors {
		n.errs = append(n.errs, err)
	}
}

// free returns why a family name cannot be used, or nil. n.mu is held.
func (n *Names) free(one usedName) error {
	if strings.HasPrefix(strings.ToLower(one.family), "ekiben_") {
		return errors.New("the prefix ekiben_ is reserved for the runtime")
	}
	for _, sample := range one.samples() {
		other, used := n.owners[sample]
		switch {
		case !used:
		case other.service == "":
			return fmt.Errorf("the runtime emits %q itself", other.family)
		default:
			return fmt.Errorf("service %q has a %s named %q", other.service, other.kind, other.family)
		}
	}
	return nil
}

// samples returns the sample names of a family, in lower case. No other family may
// have one of them: a parser of OpenMetrics refuses "x_count" beside the histogram
// "x", even if it is the counter "x_count_total".
func (u usedName) samples() []string {
	name := strings.ToLower(u.family)
	switch u.kind {
	case "counter":
		name = strings.TrimSuffix(name, "_total")
		return []string{name, name + "_total", name + "_created"}
	case "histogram", "summary":
		return []string{name, name + "_bucket", name + "_count", name + "_sum", name + "_created"}
	}
	return []string{name}
}
