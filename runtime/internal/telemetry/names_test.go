package telemetry

import (
	"slices"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

const (
	counter   = sdkmetric.InstrumentKindCounter
	upDown    = sdkmetric.InstrumentKindUpDownCounter
	gauge     = sdkmetric.InstrumentKindGauge
	histogram = sdkmetric.InstrumentKindHistogram
)

// A name is refused if /metrics would change it, or if any service uses it already.
// Names that differ only in case are equal.
func TestNames(t *testing.T) {
	n := newNames(config.Default().Metrics, nil)
	joined, families := "", []string(nil)
	for _, c := range []struct {
		service, name, unit string
		kind                sdkmetric.InstrumentKind
		want                string // the error, or the family
	}{
		{"A", "sizes", "", histogram, "sizes"},
		{"A", "Queue_depth", "", gauge, "Queue_depth"},
		{"A", "tokens_total", "", counter, "tokens_total"},
		{"A", "hits", "", counter, "hits_total"},
		{"A", "wait_count", "", gauge, "wait_count"},
		{"A", "took_seconds", "s", histogram, "took_seconds"},
		{"A", "vllm:requests", "", gauge, "vllm:requests"},
		{"A", "load", "", gauge, "load"},
		{"A", "load_sum", "", gauge, "load_sum"}, // no sample of the gauge load

		{"B", "queue.depth", "", gauge, `gauge "queue.depth": would be "queue_depth" on /metrics; use that name`},
		{"B", "total_tokens_total", "", counter, `counter "total_tokens_total": would be "tokens_total" on /metrics; use that name`},
		{"B", "a__b", "", gauge, `gauge "a__b": would be "a_b" on /metrics; use that name`},
		{"B", "share", "1", gauge, `gauge "share" with unit "1": would be "share_ratio" on /metrics; use that name`},
		{"B", "took", "s", histogram, `histogram "took" with unit "s": would be "took_seconds" on /metrics; use that name`},
		{"B", "", "", gauge, `gauge "": must have a name`},
		{"B", "", "", counter, `counter "": must have a name`},

		{"B", "sizes", "", counter, `counter "sizes": "sizes_total": service "A" has a histogram named "sizes"`},
		{"A", "sizes", "", gauge, `gauge "sizes": service "A" has a histogram named "sizes"`},
		{"B", "SIZES", "", histogram, `histogram "SIZES": service "A" has a histogram named "sizes"`},
		{"B", "sizes_count", "", gauge, `gauge "sizes_count": service "A" has a histogram named "sizes"`},
		{"B", "Sizes_sum", "", upDown, `up-down counter "Sizes_sum": service "A" has a histogram named "sizes"`},
		{"B", "sizes_bucket", "", counter, `counter "sizes_bucket": "sizes_bucket_total": service "A" has a histogram named "sizes"`},
		{"B", "wait", "", histogram, `histogram "wait": service "A" has a gauge named "wait_count"`},
		{"B", "queue_depth", "", gauge, `gauge "queue_depth": service "A" has a gauge named "Queue_depth"`},
		{"B", "Tokens_total", "", counter, `counter "Tokens_total": service "A" has a counter named "tokens_total"`},
		{"B", "tokens", "", gauge, `gauge "tokens": service "A" has a counter named "tokens_total"`},
		{"B", "hits_created", "", gauge, `gauge "hits_created": service "A" has a counter named "hits_total"`},
		{"B", "hits_total", "", upDown, `up-down counter "hits_total": service "A" has a counter named "hits_total"`},
	} {
		before := len(n.Families())
		err := n.add(c.service, c.name, c.unit, c.kind, kindWords[c.kind])
		switch {
		case err == nil:
			families = append(families, c.want)
		case err.Error() != c.want:
			t.Errorf("got %v\nwant %s", err, c.want)
		default:
			joined += "\nservice \"" + c.service + "\": " + c.want
		}
		if (err == nil) != (len(n.Families()) == before+1) {
			t.Errorf("%s: an error must not use the name", c.name)
		}
	}
	if got := n.Families(); !slices.Equal(got, families) {
		t.Errorf("families %q, want %q", got, families)
	}
	same(t, "all errors", "\n"+n.Err().Error(), joined)
}

// The runtime's own names are refused if the runtime emits them.
func TestReservedNames(t *testing.T) {
	with := func(goRuntime bool, namespace string, conventions ...string) *Names {
		cfg := config.Default().Metrics
		cfg.GoRuntime, cfg.Conventions, cfg.Views.Namespace = goRuntime, conventions, namespace
		return newNames(cfg, nil)
	}
	all, few := with(true, "shop", "bentoml", "http", "gen_ai"), with(false, "shop", "bentoml")
	for _, c := range []struct {
		name     string
		kind     sdkmetric.InstrumentKind
		all, few string // the name that the runtime emits; "": free
	}{
		{"shop_request_total", counter, "shop_request_total", "shop_request_total"},
		{"Shop_Request_Total", counter, "shop_request_total", "shop_request_total"},
		{"shop_request_in_progress", counter, "shop_request_in_progress", "shop_request_in_progress"},
		{"shop_request_duration_seconds_count", gauge, "shop_request_duration_seconds", "shop_request_duration_seconds"},
		{"shop_request_duration_seconds_count", counter, "shop_request_duration_seconds", "shop_request_duration_seconds"},
		{"shop_model_inferencing", counter, "", ""},
		{"bentoml_service_request_total", counter, "", ""},
		{"target_info", gauge, "target_info", "target_info"},
		{"otel_scope_info", gauge, "otel_scope_info", "otel_scope_info"},
		{"http_server_request_duration_seconds", histogram, "http_server_request_duration_seconds", ""},
		{"http_server_request_duration_seconds_sum", gauge, "http_server_request_duration_seconds", "http_server_request_duration_seconds"}, // by the line above
		{"gen_ai_client_token_usage", histogram, "gen_ai_client_token_usage", ""},
		{"gen_ai_server_request_duration_seconds_sum", gauge, "gen_ai_server_request_duration_seconds", ""},
		{"gen_ai_anything", gauge, "", ""},
		{"go_goroutine_count", gauge, "go_goroutine_count", ""},
		{"go_memory_allocations", counter, "go_memory_allocations_total", ""},
		{"go_team", counter, "", ""},
	} {
		for names, own := range map[*Names]string{all: c.all, few: c.few} {
			if err := names.add("A", c.name, "", c.kind, kindWords[c.kind]); (err == nil) != (own == "") {
				t.Errorf("%s: got %v, the runtime emits %q", c.name, err, own)
			}
		}
	}
	err := all.add("A", "ekiben_anything", "", gauge, "gauge")
	check.Error(t, err, `gauge "ekiben_anything": the prefix ekiben_ is reserved for the runtime`)
	err = all.add("A", "Ekiben_other", "", gauge, "gauge")
	check.Error(t, err, `gauge "Ekiben_other": the prefix ekiben_ is reserved for the runtime`)
	err = all.add("A", "SHOP_request", "", counter, "counter")
	check.Error(t, err, `counter "SHOP_request": "SHOP_request_total": the runtime emits "shop_request_total" itself`)
}

// A namespace must not give one of BentoML's metrics the name of another metric of the
// runtime.
func TestNamespaceCollides(t *testing.T) {
	const taken = `metrics.namespace: "NAME" gives one of BentoML's metrics the name "NAME_request_duration_seconds", which another metric of the runtime has; choose another namespace, or leave one of them out of metrics.conventions`
	for _, c := range []struct {
		namespace   string
		conventions []string
		off         bool
		want        string
	}{
		{namespace: "http_server", conventions: []string{"bentoml", "http"}, want: taken},
		{namespace: "HTTP_server", conventions: []string{"bentoml", "http"}, want: taken},
		{namespace: "http_server", conventions: []string{"bentoml", "http"}, off: true},
		{namespace: "http_server", conventions: []string{"bentoml"}},
		{namespace: "http_server", conventions: []string{"http"}},
		{namespace: "http", conventions: []string{"bentoml", "http"}},
		{namespace: "ekiben", conventions: []string{"bentoml", "http"}},
		{namespace: "go", conventions: []string{"bentoml", "http"}},
		{namespace: "target", conventions: []string{"bentoml", "http"}},
		{namespace: "otel_scope", conventions: []string{"bentoml", "http"}},
	} {
		cfg := config.Default().Metrics
		cfg.Enabled, cfg.GoRuntime, cfg.Conventions, cfg.Views.Namespace = !c.off, true, c.conventions, c.namespace
		got := ""
		if err := newNames(cfg, nil).Err(); err != nil {
			got = err.Error()
		}
		same(t, c.namespace, got, strings.ReplaceAll(c.want, "NAME", c.namespace))
	}
}
