package config

import (
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// Log lines are pushed if the configuration says so, or OTEL_LOGS_EXPORTER. Neither
// otlp.enabled nor the endpoint of a variable is enough.
func TestPushLogs(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://logs:4318/mine"
	for _, c := range []struct {
		text    string
		environ []string
		want    string // the endpoint; "": lines are not pushed
	}{
		{"otlp: {enabled: true, endpoint: 'http://a:1'}", nil, ""},
		{"otlp: {endpoint: 'http://a:1', logs: {enabled: true}}", nil, "http://a:1"},
		{"otlp: {logs: {endpoint: 'http://b:2'}}", nil, "http://b:2"},
		{"otlp: {logs: {endpoint: 'http://b:2', enabled: false}}", nil, ""},
		{"", []string{endpoint}, ""},
		{"", []string{endpoint, "OTEL_LOGS_EXPORTER=otlp"}, "http://logs:4318/mine"},
		{"otlp: {logs: {enabled: true}}", []string{endpoint, "OTEL_LOGS_EXPORTER=none"}, "http://logs:4318/mine"},
		{"", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", "OTEL_LOGS_EXPORTER=console"}, ""},
	} {
		loaded := check.Value(Source{File: write(t, c.text+"\nmetrics: {enabled: true}\n"), Environ: c.environ}.Load(Default()))(t)
		push := loaded.Config.PushLogs()
		got := ""
		if push.Enabled {
			got = push.Endpoint.Reveal()
		}
		check.Equal(t, got, c.want)
	}
}
