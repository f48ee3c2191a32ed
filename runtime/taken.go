package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// taken are the families that the runtime makes itself, which a service's own
// metrics must not be called: a page has each name once.
type taken []string

// goFamilies are those of OpenTelemetry's instrumentation of the Go runtime.
var goFamilies = []string{
	"go_config_gogc_percent", "go_goroutine_count", "go_memory_allocated_bytes_total", "go_memory_allocations_total", "go_memory_gc_goal_bytes",
	"go_memory_limit_bytes", "go_memory_used_bytes", "go_processor_limit", "go_schedule_duration_seconds",
}

// takenBy returns the names that are taken under a configuration. Other names in
// BentoML's namespace are free: people put custom metrics there.
func takenBy(metrics config.Metrics) taken {
	names := taken{"target_info", "otel_scope_info"}
	if slices.Contains(metrics.Conventions, "bentoml") {
		namespace := metrics.Namespace()
		for _, family := range defaultFamilies {
			names = append(names, namespace+"_"+family)
		}
	}
	if slices.Contains(metrics.Conventions, "http") {
		names = append(names, "http_server_request_duration_seconds")
	}
	if metrics.GoRuntime {
		names = append(names, goFamilies...)
	}
	return names
}

// check says why a family cannot be had, if it cannot.
func (t taken) check(family string) error {
	if strings.HasPrefix(family, "ekiben_") {
		return fmt.Errorf("%q: ekiben_ begins the runtime's own names", family)
	}
	for _, own := range t {
		if clash(own, family) {
			return fmt.Errorf("%q: %q is the runtime's own", family, own)
		}
	}
	return nil
}
