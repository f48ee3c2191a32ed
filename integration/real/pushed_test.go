package real

import (
	"strings"
	"testing"
)

// TestChartPushesToCollector checks that the chart refuses monitor.kind=collector if
// the service does not push its metrics to that Collector.
func TestChartPushesToCollector(t *testing.T) {
	t.Parallel()
	const right = "must be the Collector's, http://bento-ekiben-collector:4318, with monitor.kind collector"
	scraped := []string{"monitor.kind=collector", "collector.enabled=true"}
	for otlp, want := range map[string]string{
		`{"endpoint":"http://vendor:4318"}`:                             `config.otlp.endpoint: ` + right + `, which exposes only metrics that are pushed to it, found "http://vendor:4318"`,
		`{"enabled":false,"metrics":{"endpoint":"http://vendor:4318"}}`: `config.otlp.metrics.endpoint: ` + right,
		`{"metrics":{"endpoint":"http://me:secret@vendor:4318"}}`:       `found "http://vendor:4318"`,
		`{"endpoint":""}`: `found ""`,
		`{"endpoint":"https://bento-ekiben-collector:4318"}`:                                         right,
		`{"endpoint":"bento-ekiben-collector:4318"}`:                                                 right,
		`{"endpoint":"http://bento-ekiben-collector.others:4318"}`:                                   right,
		`{"endpoint":"http://bento-ekiben-collector:4318/v1/metrics"}`:                               right,
		`{"endpoint":"http://bento-ekiben-collector"}`:                                               right,
		`{"protocol":"grpc","endpoint":"http://bento-ekiben-collector:4318"}`:                        "must be the Collector's, http://bento-ekiben-collector:4317,",
		`{"metrics":{"protocol":"grpc","endpoint":"http://bento-ekiben-collector:4318"}}`:            "config.otlp.metrics.endpoint: must be the Collector's, http://bento-ekiben-collector:4317,",
		`{"endpoint":"bento-ekiben-collector:4318","tls":{"insecure":true}}`:                         "",
		`{"endpoint":"http://me:secret@bento-ekiben-collector.models.svc.cluster.local:4318/"}`:      "",
		`{"endpoint":"http://vendor:1","metrics":{"endpoint":"http://bento-ekiben-collector:4318"}}`: "",
		`{"metrics":{"endpoint":"http://bento-ekiben-collector.models:4318/v1/metrics"}}`:            "",
		`{"metrics":{"protocol":"grpc"},"traces":{"endpoint":"http://vendor:4318"}}`:                 "",
		`{"protocol":"grpc","metrics":{"endpoint":""}}`:                                              "",
	} {
		set := "--set-json=config.otlp=" + otlp
		if out, err := template(t, append(scraped, set)...); (err != nil) != (want != "") || !strings.Contains(out, want) || strings.Contains(out, "me:secret") && err != nil {
			t.Errorf("%s: %v %s, want %q", otlp, err, out, want)
		}
		render(t, "collector.enabled=true", "monitor.kind=pod", set)
	}
	const tls = `--set-json=collector.config.receivers.otlp.protocols.http.tls={"cert_file":"/tls.crt","key_file":"/tls.key"}`
	render(t, append(scraped, tls, "config.otlp.endpoint=https://bento-ekiben-collector:4318")...)
}
