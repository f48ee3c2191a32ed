package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const endpointsFile = `
traffic: {timeout: 9, max_concurrency: 8, endpoints: {/a: {timeout: 1, max_concurrency: 2}, /b: {timeout: 0, stream: {idle_timeout: 5}}}}
services:
  Front: {traffic: {max_concurrency: 3, stream: {max_duration: 60}, endpoints: {/a: {max_concurrency: 0}, /b: {stream: {write_timeout: 7}}, /c: {timeout: 4s}}}}
`

// An endpoint's limit overrides the service's, and a service's endpoint
// overrides the common one, key by key.
func TestEndpointTraffic(t *testing.T) {
	loaded := check.Value(load(t, endpointsFile))(t)
	common := map[string]EndpointTraffic{
		"/a": {Timeout: new(time.Second), MaxConcurrency: new(2)},
		"/b": {Timeout: new(time.Duration(0)), Stream: ServiceStream{IdleTimeout: new(5 * time.Second)}},
	}
	for name, want := range map[string]Traffic{
		"Encoder": {QueueOrder: "fifo", CallerDeadline: true, Stream: Stream{WriteTimeout: 30 * time.Second}, Timeout: 9 * time.Second, MaxConcurrency: 8, Endpoints: common},
		"Front": {QueueOrder: "fifo", CallerDeadline: true, Stream: Stream{MaxDuration: time.Minute, WriteTimeout: 30 * time.Second}, Timeout: 9 * time.Second, MaxConcurrency: 3, Endpoints: map[string]EndpointTraffic{
			"/a": {Timeout: new(time.Second), MaxConcurrency: new(0)},
			"/b": {Timeout: new(time.Duration(0)), Stream: ServiceStream{IdleTimeout: new(5 * time.Second), WriteTimeout: new(7 * time.Second)}},
			"/c": {Timeout: new(4 * time.Second)},
		}},
	} {
		if got := loaded.Config.TrafficOf(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if !reflect.DeepEqual(loaded.Config.Traffic.Endpoints, common) {
		t.Error("TrafficOf changed the configuration")
	}
}

func TestEndpointTrafficIsExplained(t *testing.T) {
	loaded := check.Value(load(t, endpointsFile))(t)
	for key, want := range map[string]Explanation{
		"traffic.endpoints./a.timeout":                             {Value: "1"},
		"traffic.endpoints./b.max_concurrency":                     {Value: "8", Inherits: "traffic.max_concurrency"},
		"services.Front.traffic.endpoints./a.timeout":              {Value: "1", Inherits: "traffic.endpoints./a.timeout"},
		"services.Front.traffic.endpoints./a.max_concurrency":      {Value: "0"},
		"traffic.endpoints./b.stream.idle_timeout":                 {Value: "5"},
		"services.Front.traffic.endpoints./b.stream.idle_timeout":  {Value: "5", Inherits: "traffic.endpoints./b.stream.idle_timeout"},
		"services.Front.traffic.endpoints./b.stream.write_timeout": {Value: "7"},
		"services.Front.traffic.endpoints./b.stream.max_duration":  {Value: "60", Inherits: "services.Front.traffic.stream.max_duration"},
		"traffic.endpoints./c.stream.write_timeout":                {Value: "30", Inherits: "traffic.stream.write_timeout"},
		"services.Front.traffic.endpoints./c.max_concurrency":      {Value: "3", Inherits: "services.Front.traffic.max_concurrency"},
		"services.Encoder.traffic.endpoints./c.timeout":            {Value: "9", Inherits: "traffic.timeout"},
		"services.Front.traffic.endpoints./v1.0/x.timeout":         {Value: "9", Inherits: "traffic.timeout"},
	} {
		got := loaded.Explain(key)
		if len(got) != 1 || got[0].Value != want.Value || got[0].Inherits != want.Inherits {
			t.Errorf("%s: got %+v, want %+v", key, got, want)
		}
	}
}

// Each mistake gives one error.
func TestEndpointsAreChecked(t *testing.T) {
	_, err := Source{File: write(t, "traffic: {endpoints: {a: {timeout: 1}, /b: {}}}\nservices: {Front: {traffic: {endpoints: {/c: {timeout: -1}}}}}\nmetrics: {endpoints: {/d: {slo: [1]}}}")}.
		LoadFor(Default(), Names{Services: []string{"Front"}, Routes: []string{"/x"}})
	for _, want := range []string{
		":1: traffic.endpoints./b: no API has this route",
		":3: metrics.endpoints./d: no API has this route",
		":2: services.Front.traffic.endpoints./c: no API has this route",
		":2: services.Front.traffic.endpoints./c.timeout: must be 0 or at least 1ms, found -1",
		":1: traffic.endpoints.a: must be a route that starts with a slash, such as /a\n",
	} {
		if err == nil || !strings.Contains(err.Error()+"\n", want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if n := len(Problems(err)); n != 5 {
		t.Errorf("got %d errors:\n%v", n, err)
	}
}

// A reload adds, changes and removes limits of endpoints, and modifies neither
// configuration.
func TestApplyReloadable(t *testing.T) {
	before := check.Value(load(t, endpointsFile+"http: {port: 1}"))(t)
	after := check.Value(load(t, "traffic: {endpoints: {/a: {timeout: 5, max_concurrency: 2}, /d: {timeout: 6}}, max_concurrency: 8, timeout: 9}\nhttp: {port: 2}\nlogging: {level: debug, access: {format: {span_id: d}}}"))(t)
	shownBefore, shownAfter := before.Config.YAML(), after.Config.YAML()
	got := before.Config.ApplyReloadable(after.Config)
	want := Reloaded{
		Config: after.Config,
		Applied: []string{
			"traffic.endpoints./a.timeout", "traffic.endpoints./b.timeout", "traffic.endpoints./b.stream.idle_timeout", "traffic.endpoints./d.timeout", "logging.level", "logging.access.format.span_id",
			"services.Front.traffic.max_concurrency", "services.Front.traffic.stream.max_duration", "services.Front.traffic.endpoints./a.max_concurrency",
			"services.Front.traffic.endpoints./b.stream.write_timeout", "services.Front.traffic.endpoints./c.timeout",
		},
		NeedRestart: []string{"http.port"},
	}
	want.Config.HTTP.Port = 1
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q %q\n%s\nwant %q\n%s", got.Applied, got.NeedRestart, got.Config.YAML(), want.Applied, want.Config.YAML())
	}
	if before.Config.YAML() != shownBefore || after.Config.YAML() != shownAfter {
		t.Error("ApplyReloadable modified a configuration")
	}
}

// TestExplainTable checks that a table can be reloaded if all its keys can.
func TestExplainTable(t *testing.T) {
	loaded := check.Value(load(t, "{}"))(t)
	for key, want := range map[string]bool{"services": true, "traffic.endpoints": true, "metrics.endpoints": false} {
		if found := loaded.Explain(key); len(found) != 1 || found[0].Reload != want {
			t.Errorf("%s: got %+v, want reload %t", key, found, want)
		}
	}
}
