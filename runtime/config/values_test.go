package config

import (
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A value that would be rounded to 0 is refused, because 0 means "no limit". So is a
// value beyond the largest.
func TestNumbersAreNotRoundedAway(t *testing.T) {
	for setting, want := range map[string]string{
		"traffic.timeout=1e-10":                       "traffic.timeout: must be 0 or at least 1ms, found 1e-10",
		"traffic.timeout=-1e-10":                      "traffic.timeout: must be 0 or at least 1ms, found -1e-10",
		"traffic.timeout=0.1ns":                       `traffic.timeout: must be 0 or at least 1ms, found "0.1ns"`,
		"traffic.timeout=-0.1ns":                      `traffic.timeout: must be 0 or at least 1ms, found "-0.1ns"`,
		"traffic.timeout=999us":                       "traffic.timeout: must be 0 or at least 1ms, found 0.000999",
		"traffic.timeout=1ms":                         "",
		"traffic.timeout=0e5":                         "",
		"traffic.timeout=0s":                          "",
		"traffic.timeout=9223372036854775807":         "traffic.timeout: must be a number of seconds or a duration such as 1.5s within 292 years, found 9223372036854775807",
		"traffic.timeout=1e300":                       "traffic.timeout: must be a number of seconds or a duration such as 1.5s within 292 years, found 1e300",
		"traffic.endpoints./a.timeout=1e-10":          "traffic.endpoints./a.timeout: must be 0 or at least 1ms, found 1e-10",
		"services.Front.traffic.timeout=1e-10":        "services.Front.traffic.timeout: must be 0 or at least 1ms, found 1e-10",
		"runner_probe.timeout=1e-10":                  "runner_probe.timeout: must be 0 or at least 1ms, found 1e-10",
		"shutdown.grace=1e-10":                        "shutdown.grace: must be 0 or at least 1ms, found 1e-10",
		"batching.window_ms=1e-7":                     "batching.window_ms: must be 0 or at least 1µs, found 1e-7",
		"batching.window_ms=0.1":                      "",
		"batching.max_latency_ms=1e-7":                "batching.max_latency_ms: must be at least 1ms, found 1e-7",
		"otlp.timeout=1e-10":                          "otlp.timeout: must be at least 1ms, found 1e-10",
		"http.max_body_size=0.4B":                     `http.max_body_size: must be a number of bytes or a size such as 10MiB, found "0.4B"`,
		"http.max_body_size=1.5B":                     `http.max_body_size: must be a number of bytes or a size such as 10MiB, found "1.5B"`,
		"http.max_body_size=0.0001kB":                 `http.max_body_size: must be 0 or at least 1 byte, found "0.0001kB"`,
		"http.max_body_size=0.0kB":                    "",
		"http.max_body_size=8192PiB":                  `http.max_body_size: must be a number of bytes or a size such as 10MiB, found "8192PiB"`,
		"http.max_body_size=9223372036854775808":      "http.max_body_size: must be a number of bytes or a size such as 10MiB, found 9223372036854775808",
		"http.max_body_size=9223372036854775807":      "",
		"traffic.max_concurrency=9223372036854775808": "traffic.max_concurrency: must be a whole number, found 9223372036854775808",
		"traffic.max_concurrency=0.4":                 "traffic.max_concurrency: must be a whole number, found 0.4",
		"http.cors.access_control_max_age=1e-10":      "http.cors.access_control_max_age: must be a whole number, found 1e-10",
	} {
		parsed, err := ParseSetting("", setting)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Source{Set: []Setting{parsed}}.Load(Default(), "Front")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	tiny := Default()
	tiny.Traffic.Timeout = time.Microsecond
	if err := tiny.Validate(); err == nil || err.Error() != "traffic.timeout: must be 0 or at least 1ms, found 0.000001" {
		t.Errorf("code: got %v", err)
	}
}

func TestPathPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"": true, "/ml": true, "/ml/v1.0": true, "/ä": true, "/a..b": true,
		"ml": false, "/": false, "/ml/": false, "/a//b": false, "/a/../b": false, "/a/./b": false, "/..": false, "/a%2fb": false, "/a?b": false,
		"/a#b": false, "/a b": false, "/a\tb": false, "/a\x7fb": false, "/a\u00a0b": false, "/{a}": false, "/*": false, `/a\b`: false,
	} {
		c := Default()
		c.HTTP.PathPrefix = prefix
		if err := c.Validate(); (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "http.path_prefix: must be empty, or a path such as /ml: ") {
			t.Errorf("%q: got %v", prefix, err)
		}
	}
}

// Numbers that YAML 1.1 and YAML 1.2 read differently are refused, in files and
// variables. BentoML's files are YAML 1.1.
func TestNumbersOfOldYAML(t *testing.T) {
	for _, number := range []string{"010", "-010", "08", "1_0", "0b11", "1_0.5", "00"} {
		for _, key := range []string{"http.port", "traffic.timeout", "http.max_body_size", "batching.window_ms", "tracing.sample_rate", "metrics.slo", "workers"} {
			want := key + ": must be a decimal number without zeros before it or underscores in it, found " + number
			set := Source{Set: []Setting{{Key: key, Value: number, From: "--set"}}}
			variable := Source{Environ: []string{variableOf(key) + "=" + number}}
			text := strings.ReplaceAll(key, ".", ": {") + ": " + map[bool]string{true: "[" + number + "]", false: number}[key == "metrics.slo"]
			file := Source{File: write(t, text+strings.Repeat("}", strings.Count(key, "."))+"\n")}
			for _, source := range []Source{set, variable, file} {
				if _, err := source.Load(Default()); err == nil || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("%s: got %v, want %s", number, err, want)
				}
			}
		}
	}
	for text, want := range map[string]int{"http: {port: 0x10}": 16, "http: {port: 0o10}": 8, "http: {port: 10}": 10, "http: {port: 0}": 0, "services: {http: {port: 010}}": 8} {
		if loaded, err := load(t, text); err != nil || loaded.Config.HTTP.Port != want {
			t.Errorf("%s: got %v, want %d", text, err, want)
		}
	}
}

// Two variables of one key are an error, as a key that a file has twice. Two variables
// of one section are merged.
func TestVariablesGivenTwice(t *testing.T) {
	const team, section = "EKIBEN_METRICS__NAMESPACE=ab", "EKIBEN_metrics={namespace: cd}"
	for environ, want := range map[string]string{
		"EKIBEN_HTTP__PORT=1\nEKIBEN_http__port=2":                                            "EKIBEN_http__port: http.port: given twice, first in EKIBEN_HTTP__PORT",
		team + "\n" + section:                                                                 "EKIBEN_metrics: metrics.namespace: given twice, first in EKIBEN_METRICS__NAMESPACE",
		"EKIBEN_METRICS={namespace: cd}\nEKIBEN_METRICS__NAMESPACE=ab":                        "EKIBEN_METRICS__NAMESPACE: metrics.namespace: given twice, first in EKIBEN_METRICS",
		team + "\nEKIBEN_metrics=null":                                                        "EKIBEN_metrics: metrics: given twice, first in EKIBEN_METRICS__NAMESPACE",
		"EKIBEN_SERVICES__FRONT__WORKERS=2\nEKIBEN_SERVICES__Front__WORKERS=1":                "EKIBEN_SERVICES__Front__WORKERS: services.Front.workers: given twice, first in EKIBEN_SERVICES__FRONT__WORKERS",
		team + "\nEKIBEN_metrics={max_series: 7}":                                             "",
		"EKIBEN_HTTP__PORT=\nEKIBEN_http__port=1\n" + team + "\nEKIBEN_METRICS__MAX_SERIES=7": "",
		"EKIBEN_METRICS__MAX_SERIES=8\nEKIBEN_METRICS__MAX_SERIES=7\n" + team:                 "",
	} {
		loaded, err := Source{Environ: strings.Split(environ, "\n")}.Load(Default(), "Front")
		switch {
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: got %v, want %s", environ, err, want)
		case want == "" && (err != nil || loaded.Config.Metrics.MaxSeries != 7 || loaded.Config.Metrics.Views.Namespace != "ab"):
			t.Errorf("%s: got %v, %+v", environ, err, loaded)
		}
	}
}

// An address on which no server can listen, and an endpoint that no push can reach, are
// errors of the configuration, not of the server.
func TestHostsAndEndpoints(t *testing.T) {
	const host = "http.host: must be an IP address such as 127.0.0.1 or ::1, or the name of a host, found "
	const endpoint = "otlp.endpoint: must be a URL such as http://localhost:4318"
	for settings, want := range map[string]string{
		"http.host=": "", "http.host=::": "", "http.host=fe80::1%eth0": "", "http.host=localhost": "", "http.host=my_host.example.org.": "",
		"http.host=[::1]":        host + `"[::1]": write ::1, without brackets`,
		"http.host=a b":          host + `"a b"`,
		"http.host=localhost:80": host + `"localhost:80": the port belongs to http.port: 80`,
		"http.host=[::1]:80":     host + `"[::1]:80": the port belongs to http.port: 80`,
		"http.host=300.0.0.1":    host + `"300.0.0.1"`,
		"http.host=http://h":     host + `"http://h"`,

		"otlp.endpoint=http://h:4318": "", "otlp.endpoint=https://me:secret@[::1]:4318/x": "", "otlp.endpoint=h": "", "otlp.endpoint=h:4317": "",
		"otlp.endpoint=h:99999":    endpoint + ": its port must be between 1 and 65535",
		"otlp.endpoint=h:":         endpoint + ": its port must be between 1 and 65535",
		"otlp.endpoint=http://h:0": endpoint + ": its port must be between 1 and 65535",
		"otlp.endpoint=ftp://h":    endpoint + ", or host:port for grpc",
		"otlp.endpoint=:4317":      endpoint + ", or host:port for grpc",

		"otlp.enabled=true otlp.endpoint=ftp://h":                                                endpoint,
		"otlp.enabled=true otlp.endpoint=h:4318":                                                 endpoint + ", found no scheme: write http:// or https:// before it; only for grpc, or with tls.insecure, may it be host:port",
		"otlp.enabled=true otlp.endpoint=h:4317 otlp.protocol=grpc":                              "",
		"otlp.enabled=true otlp.endpoint=h:4318 otlp.tls.insecure=true":                          "",
		"otlp.enabled=true otlp.endpoint=h:4317 otlp.metrics.protocol=grpc":                      "",
		"otlp.enabled=true otlp.endpoint=h:4317 otlp.metrics.protocol=grpc tracing.enabled=true": endpoint + ", found no scheme: write http:// or https:// before it; only for grpc, or with tls.insecure, may it be host:port",
		"otlp.metrics.endpoint=h:4318":                                                           strings.Replace(endpoint, "otlp", "otlp.metrics", 1) + ", found no scheme: write http:// or https:// before it; only for grpc, or with tls.insecure, may it be host:port",
	} {
		var set []Setting
		for setting := range strings.SplitSeq(strings.ReplaceAll(settings, " b", "\x00b"), " ") {
			parsed := check.Value(ParseSetting("", strings.ReplaceAll(setting, "\x00", " ")))(t)
			set = append(set, parsed)
		}
		got := ""
		if _, err := (Source{Set: set}).Load(Default(), "Front"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
	}
}
