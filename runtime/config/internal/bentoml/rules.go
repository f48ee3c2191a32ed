package bentoml

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// found comes before the value in an error. A rule that returns it has named the value.
const found = ", found "

// rule checks a value as BentoML 1.4.39 does. It returns what would be right,
// or "". Unlike BentoML it accepts whole numbers for floats, because BentoML's
// documentation has them.
type rule func(*tree.Node) string

// key is a key of a service's section.
type key struct {
	path string
	rule rule
	// to is the key of ours that it sets. If there is none, why says why the key
	// has no effect.
	to  string
	why string
}

// keys lists every key of a service, in BentoML's order.
var keys = []key{
	{path: "name", rule: nullOr(text), why: "a service has the name that code gives it"},
	{path: "resources", rule: nullOr(mapping), why: "the resources of the container apply"},
	{path: "resources.cpu", rule: textOrNumber},
	{path: "resources.memory", rule: textOrNumber},
	{path: "resources.gpu", rule: positive},
	{path: "resources.gpu_type", rule: text},
	{path: "resources.tpu_type", rule: text},
	{path: "workers", rule: workers, to: "workers"},
	{path: "threads", rule: positiveInt, why: "there is no thread pool to size: goroutines run on GOMAXPROCS threads"},
	{path: "backlog", rule: moreThan(64), why: "the operating system's limit is used (net.core.somaxconn)"},
	{path: "max_runner_connections", rule: positiveInt, why: "services of an app call each other in process"},
	{path: "replicate_process", rule: boolean, why: "one process serves all workers"},
	{path: "extra_ports", rule: nullOr(list(integer)), why: "one port is served"},
	{path: "runner_connection", rule: mapping, why: "services of an app call each other in process"},
	{path: "runner_connection.max_requests", rule: positiveInt},
	{path: "runner_connection.max_age", rule: positive},
	{path: "batching", rule: mapping},
	{path: "batching.enabled", rule: boolean, to: "batching.enabled"},
	{path: "batching.max_batch_size", rule: positiveInt, to: "batching.max_batch_size"},
	{path: "batching.max_latency_ms", rule: positiveInt, to: "batching.max_latency_ms"},
	{path: "traffic", rule: mapping},
	{path: "traffic.timeout", rule: positive, to: "traffic.timeout"},
	{path: "traffic.max_concurrency", rule: nullOr(positiveInt), to: "traffic.max_concurrency"},
	{path: "traffic.concurrency", rule: nullOr(positiveInt), why: "only BentoCloud's autoscaler uses it"},
	{path: "traffic.external_queue", rule: boolean, why: "only BentoCloud uses it"},
	{path: "metrics", rule: mapping},
	{path: "metrics.enabled", rule: boolean, to: "metrics.enabled"},
	{path: "metrics.namespace", rule: text, to: "metrics.namespace"},
	{path: "metrics.duration", rule: mapping},
	{path: "metrics.duration.buckets", rule: nullOr(list(number))},
	{path: "metrics.duration.min", rule: nullOr(positive)},
	{path: "metrics.duration.max", rule: nullOr(positive)},
	{path: "metrics.duration.factor", rule: nullOr(factor)},
	{path: "runner_probe", rule: mapping},
	{path: "runner_probe.enabled", rule: boolean, to: "runner_probe.enabled"},
	{path: "runner_probe.timeout", rule: integer, to: "runner_probe.timeout"},
	{path: "runner_probe.period", rule: integer, why: "every request of /readyz checks the services"},
	{path: "logging", rule: mapping},
	{path: "logging.access", rule: mapping},
	{path: "logging.access.enabled", rule: boolean, to: "logging.access.enabled"},
	{path: "logging.access.request_content_length", rule: nullOr(boolean), to: "logging.access.request_content_length"},
	{path: "logging.access.request_content_type", rule: nullOr(boolean), to: "logging.access.request_content_type"},
	{path: "logging.access.response_content_length", rule: nullOr(boolean), to: "logging.access.response_content_length"},
	{path: "logging.access.response_content_type", rule: nullOr(boolean), to: "logging.access.response_content_type"},
	{path: "logging.access.skip_paths", rule: list(text), to: "logging.access.skip_paths"},
	{path: "logging.access.format", rule: mapping},
	{path: "logging.access.format.trace_id", rule: text, to: "logging.access.format.trace_id"},
	{path: "logging.access.format.span_id", rule: text, to: "logging.access.format.span_id"},
	{path: "ssl", rule: mapping},
	{path: "ssl.enabled", rule: boolean, to: "ssl.enabled"},
	{path: "ssl.certfile", rule: nullOr(text), to: "ssl.certfile"},
	{path: "ssl.keyfile", rule: nullOr(text), to: "ssl.keyfile"},
	{path: "ssl.keyfile_password", rule: nullOr(text), to: "ssl.keyfile_password"},
	{path: "ssl.ca_certs", rule: nullOr(text), to: "ssl.ca_certs"},
	{path: "ssl.version", rule: nullOr(positiveInt), why: "TLS 1.2 and later are served"},
	{path: "ssl.cert_reqs", rule: nullOr(integer), to: "ssl.cert_reqs"},
	{path: "ssl.ciphers", rule: nullOr(text), why: "Go's choice of ciphers is used"},
	{path: "http", rule: mapping},
	{path: "http.host", rule: ip, to: "http.host"},
	{path: "http.port", rule: positiveInt, to: "http.port"},
	{path: "http.proxy_port", rule: positiveInt, why: "there is no second process"},
	{path: "http.cors", rule: mapping},
	{path: "http.cors.enabled", rule: boolean, to: "http.cors.enabled"},
	{path: "http.cors.access_control_allow_origins", rule: nullOr(texts), to: "http.cors.access_control_allow_origins"},
	{path: "http.cors.access_control_allow_origin_regex", rule: nullOr(text), to: "http.cors.access_control_allow_origin_regex"},
	{path: "http.cors.access_control_allow_credentials", rule: nullOr(boolean), to: "http.cors.access_control_allow_credentials"},
	{path: "http.cors.access_control_allow_headers", rule: nullOr(texts), to: "http.cors.access_control_allow_headers"},
	{path: "http.cors.access_control_allow_methods", rule: nullOr(texts), to: "http.cors.access_control_allow_methods"},
	{path: "http.cors.access_control_max_age", rule: nullOr(integer), to: "http.cors.access_control_max_age"},
	{path: "http.cors.access_control_expose_headers", rule: nullOr(texts), to: "http.cors.access_control_expose_headers"},
	{path: "http.response", rule: mapping},
	{path: "http.response.trace_id", rule: boolean, to: "http.response.trace_id"},
	{path: "grpc", rule: mapping, why: "only HTTP is served"},
	{path: "grpc.host", rule: ip},
	{path: "grpc.port", rule: positiveInt},
	{path: "grpc.max_concurrent_streams", rule: nullOr(integer)},
	{path: "grpc.maximum_concurrent_rpcs", rule: nullOr(integer)},
	{path: "grpc.max_message_length", rule: nullOr(integer)},
	{path: "grpc.reflection", rule: mapping},
	{path: "grpc.reflection.enabled", rule: boolean},
	{path: "grpc.channelz", rule: mapping},
	{path: "grpc.channelz.enabled", rule: boolean},
	{path: "grpc.metrics", rule: mapping},
	{path: "grpc.metrics.host", rule: ip},
	{path: "grpc.metrics.port", rule: positiveInt},
	{path: "monitoring", rule: mapping, why: "requests are not recorded for monitoring; log what you need in the service"},
	{path: "monitoring.enabled", rule: boolean},
	{path: "monitoring.type", rule: nullOr(text)},
	{path: "monitoring.options", rule: nullOr(mapping)},
	{path: "tracing", rule: mapping},
	{path: "tracing.exporter_type", rule: nullOr(oneOf("otlp", "zipkin", "jaeger", "in_memory"))},
	{path: "tracing.sample_rate", rule: nullOr(share), to: "tracing.sample_rate"},
	{path: "tracing.timeout", rule: nullOr(positiveInt), to: "otlp.traces.timeout"},
	{path: "tracing.max_tag_value_length", rule: nullOr(integer), to: "tracing.max_tag_value_length"},
	{path: "tracing.excluded_urls", rule: nullOr(texts), to: "tracing.excluded_urls"},
	{path: "tracing.zipkin", rule: mapping, why: "spans are sent by OTLP, which an OpenTelemetry Collector can forward to Zipkin"},
	{path: "tracing.zipkin.endpoint", rule: nullOr(text)},
	{path: "tracing.zipkin.local_node_ipv4", rule: nullOr(ipOrInt)},
	{path: "tracing.zipkin.local_node_ipv6", rule: nullOr(ipOrInt)},
	{path: "tracing.zipkin.local_node_port", rule: nullOr(positiveInt)},
	{path: "tracing.jaeger", rule: mapping, why: "spans are sent by OTLP, which Jaeger accepts"},
	{path: "tracing.jaeger.protocol", rule: nullOr(oneOf("thrift", "grpc"))},
	{path: "tracing.jaeger.collector_endpoint", rule: nullOr(text)},
	{path: "tracing.jaeger.thrift", rule: mapping},
	{path: "tracing.jaeger.thrift.agent_host_name", rule: nullOr(text)},
	{path: "tracing.jaeger.thrift.agent_port", rule: nullOr(integer)},
	{path: "tracing.jaeger.thrift.udp_split_oversized_batches", rule: nullOr(boolean)},
	{path: "tracing.jaeger.grpc", rule: mapping},
	{path: "tracing.jaeger.grpc.insecure", rule: nullOr(boolean)},
	{path: "tracing.otlp", rule: mapping},
	{path: "tracing.otlp.protocol", rule: nullOr(oneOf("grpc", "http"))},
	{path: "tracing.otlp.endpoint", rule: nullOr(text), to: "otlp.traces.endpoint"},
	{path: "tracing.otlp.compression", rule: nullOr(exactly("gzip", "none", "deflate"))},
	{path: "tracing.otlp.http", rule: mapping},
	{path: "tracing.otlp.http.certificate_file", rule: nullOr(text), to: "otlp.traces.tls.ca"},
	{path: "tracing.otlp.http.headers", rule: nullOr(mapping)},
	{path: "tracing.otlp.grpc", rule: mapping},
	{path: "tracing.otlp.grpc.headers", rule: nullOr(anyList)},
	{path: "tracing.otlp.grpc.insecure", rule: nullOr(boolean), to: "otlp.traces.tls.insecure"},
}

func nullOr(r rule) rule {
	return func(n *tree.Node) string {
		if n.Kind == tree.Null {
			return ""
		}
		return r(n)
	}
}

func when(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

func text(n *tree.Node) string {
	_, ok := n.Value.(string)
	return when(ok && n.Kind == tree.Scalar, "a string")
}

func boolean(n *tree.Node) string {
	_, ok := n.Value.(bool)
	return when(ok, "true or false")
}

func integer(n *tree.Node) string {
	_, ok := n.Value.(int64)
	return when(ok, "a whole number")
}

func positiveInt(n *tree.Node) string {
	i, ok := n.Value.(int64)
	return when(ok && i > 0, "a whole number greater than 0")
}

func moreThan(least int64) rule {
	return func(n *tree.Node) string {
		i, ok := n.Value.(int64)
		return when(ok && i > least, fmt.Sprintf("a whole number greater than %d", least))
	}
}

// float reads any number.
func float(n *tree.Node) (float64, bool) {
	switch v := n.Value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func number(n *tree.Node) string {
	_, ok := float(n)
	return when(ok, "a number")
}

func positive(n *tree.Node) string {
	f, ok := float(n)
	return when(ok && f > 0 && !math.IsInf(f, 0), "a number greater than 0")
}

func factor(n *tree.Node) string {
	f, ok := float(n)
	return when(ok && f > 1 && !math.IsInf(f, 0), "a number greater than 1")
}

func share(n *tree.Node) string {
	f, ok := float(n)
	return when(ok && f >= 0 && f <= 1, "a number between 0 and 1")
}

func textOrNumber(n *tree.Node) string {
	return when(text(n) == "" || number(n) == "", "a string or a number")
}

func workers(n *tree.Node) string {
	return when(n.Kind == tree.Null || n.Value == "cpu_count" || positiveInt(n) == "", "a whole number greater than 0, or cpu_count")
}

func mapping(n *tree.Node) string { return when(n.Kind == tree.Map, "a mapping") }

func anyList(n *tree.Node) string { return when(n.Kind == tree.List, "a list") }

func list(each rule) rule {
	return func(n *tree.Node) string {
		if n.Kind != tree.List {
			return "a list"
		}
		for i, item := range n.Items {
			if want := each(item); want != "" {
				return fmt.Sprintf("a list in which every item is %s%s%s as number %d", want, found, item.Describe(), i+1)
			}
		}
		return ""
	}
}

func texts(n *tree.Node) string {
	const want = "a string or a list of strings"
	if _, wrong, is := strings.Cut(list(text)(n), found); is {
		return want + found + wrong
	}
	return when(text(n) == "" || n.Kind == tree.List, want)
}

func ip(n *tree.Node) string {
	s, _ := n.Value.(string)
	_, err := netip.ParseAddr(s)
	return when(err == nil, "an IP address, such as 0.0.0.0")
}

func ipOrInt(n *tree.Node) string {
	return when(ip(n) == "" || integer(n) == "", "an IP address or a whole number")
}

// oneOf ignores case, as BentoML does for these keys.
func oneOf(words ...string) rule {
	pattern := regexp.MustCompile(`^(?i:` + strings.Join(words, "|") + `)$`)
	return func(n *tree.Node) string {
		s, ok := n.Value.(string)
		return when(ok && pattern.MatchString(s), "one of "+strings.Join(words, ", "))
	}
}

func exactly(words ...string) rule {
	return func(n *tree.Node) string {
		for _, word := range words {
			if n.Value == word {
				return ""
			}
		}
		return "one of " + strings.Join(words, ", ")
	}
}
