package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/views"
)

// uncommented returns config.yaml with its keys in force.
func uncommented(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#(  |[a-z])`).ReplaceAllString(string(data), "$1")
}

func TestConfigYAMLIsTheDefaults(t *testing.T) {
	text := uncommented(t)
	cfg, err := Load(Config{}, write(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(cfg, want) {
		t.Errorf("config.yaml uncommented is\n%+v\nthe defaults are\n%+v", cfg, want)
	}
	for _, key := range keys("", reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`(?m)^ *` + key + `:`).MatchString(text) {
			t.Errorf("config.yaml does not show the key %s", key)
		}
	}
}

// keys lists the last level of every key.
func keys(path string, t reflect.Type) []string {
	var all []string
	for name, field := range fieldsOf(t) {
		all = append(all, name)
		if field.Kind() == reflect.Struct {
			all = append(all, keys(path+name+".", field)...)
		}
	}
	return all
}

func TestConfigYAMLAsItStandsChangesNothing(t *testing.T) {
	cfg, err := Load(Default(), "../../config.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v, want the defaults", cfg)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoad(t *testing.T) {
	timeout, limit := 3*time.Second, 7
	want := Default()
	want.Traffic.Timeout = 1500 * time.Millisecond
	want.Metrics.Views = views.Config{
		Namespace: "team",
		Duration:  views.Duration{Min: new(0.1), Max: new(10.0), Factor: new(2.0)},
		SLO:       []float64{0.3, 1},
		Endpoints: map[string]views.Endpoint{"/v1.0/score": {SLO: []float64{2}}},
	}
	want.HTTP.Port = 4000
	want.Services = map[string]Service{"Encoder": {Traffic: ServiceTraffic{Timeout: &timeout, MaxConcurrency: &limit}}}

	base := Default()
	base.Metrics.Views.Duration.Buckets = []float64{1, 2, 3} // the file's form replaces the code's
	got, err := Load(base, write(t, `
traffic: {timeout: 1.5}
metrics:
  namespace: team
  duration: {min: 0.1, max: 10, factor: 2}
  slo: [0.3, 1]
services:
  Encoder: {traffic: {timeout: 3s, max_concurrency: 7}}
`), []string{"http.port=4000", "metrics.endpoints./v1.0/score.slo=[2]"})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if own := got.TrafficOf("Encoder"); own != (Traffic{Timeout: timeout, MaxConcurrency: 7}) {
		t.Errorf("TrafficOf(Encoder) = %+v", own)
	}
	if other := got.TrafficOf("Front"); other != got.Traffic {
		t.Errorf("TrafficOf(Front) = %+v", other)
	}
}

func TestListsReplace(t *testing.T) {
	base := Default()
	base.Metrics.Views.SLO = []float64{1, 2, 3}
	got, err := Load(base, "", []string{"metrics.slo=[0.5]"})
	if err != nil || !reflect.DeepEqual(got.Metrics.Views.SLO, []float64{0.5}) {
		t.Errorf("got %v, %v", got.Metrics.Views.SLO, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"metrics: {duration: {factor: 0.9, min: 1, max: 2}}", "metrics.duration.factor: must be greater than 1, found 0.9"},
		{"metrics: {duration: {min: 0, max: 2, factor: 2}}", "metrics.duration.min: must be greater than 0, found 0"},
		{"metrics: {duration: {buckets: [1], min: 1}}", "metrics.duration.buckets: give either buckets or min, max and factor, found buckets: [1] and min: 1"},
		{"metrics: {duration: {max: 3}}", "metrics.duration.min: min, max and factor belong together, found only max: 3"},
		{"metrics: {duration: {buckets: [1, .nan]}}", "metrics.duration.buckets[1]: must be a number, found NaN"},
		{"metrics: {slo: [-1]}", "metrics.slo[0]: must not be negative, found -1"},
		{"metrics: {endpoints: {/encode: {duration: {buckets: [2, 1]}}}}", "metrics.endpoints./encode.duration.buckets[1]: must be greater than the boundary before it (2), found 1"},
		{"metrics: {namespce: x}", "metrics.namespce: unknown key; known here: client_closed, duration, enabled, endpoints, max_series, namespace, openmetrics, scope_labels, slo, target_info"},
		{"services: {A: {trafic: {}}}", "services.A.trafic: unknown key; known here: traffic"},
		{"metrics: {client_closed: 404}", "metrics.client_closed: must be 200 or 499, found 404"},
		{"traffic: {timeout: -1}", "traffic.timeout: must not be negative, found -1s"},
		{"traffic: {timeout: soon}", `traffic.timeout: must be a number of seconds or a duration such as 1.5s, found "soon"`},
		{"traffic: {max_concurrency: 1.5}", "traffic.max_concurrency: must be a whole number, found 1.5"},
		{"http: {port: 70000}", "http.port: must be between 0 and 65535, found 70000"},
		{"http: {path_prefix: ml/}", `http.path_prefix: must be empty, or begin with a slash`},
		{"workers: 0", "workers: must be at least 1, found 0"},
		{"logging: {level: loud}", `logging.level: must be one of debug, info, warn, error, found "loud"`},
	} {
		t.Run(test.text, func(t *testing.T) {
			_, err := Load(Default(), write(t, test.text), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v\nwant      %s", err, test.want)
			}
		})
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := Load(Default(), write(t, "http: {port: -1}\nworkers: 0\nnope: 1"), nil)
	for _, want := range []string{"http.port: ", "workers: ", "nope: unknown key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for name, file := range map[string]string{
		"no such file":         filepath.Join(t.TempDir(), "none.yaml"),
		"found a directory":    t.TempDir(),
		"yaml":                 write(t, "a: [1"),
		"must be at most":      write(t, strings.Repeat("#", maxFileSize+1)),
		"cannot unmarshal":     write(t, "- just\n- a list"),
		"already defined":      write(t, "workers: 1\nworkers: 2"),
		"must be key=value":    "",
		"cannot start any tok": write(t, "a:\n\t- b"),
	} {
		var settings []string
		if file == "" {
			settings = []string{"workers"}
		}
		if _, err := Load(Default(), file, settings); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v, want one that contains %q", file, err, name)
		}
	}
}
