package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/views"
)

var update = flag.Bool("update", false, "write config.yaml, the schema and docs/configuration.md from the structs")

// golden compares a file of the repository with the generated content.
func golden(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		check.Must(t, os.WriteFile(file, []byte(want), 0o644))
	}
	got := check.Value(os.ReadFile(file))(t)
	if string(got) != want {
		t.Errorf("%s is not what the structs say; go test ./runtime/config -update writes it", file)
	}
}

func TestConfigYAMLIsMadeFromTheStructs(t *testing.T) { golden(t, "../../config.yaml", Example()) }

func TestSchemaIsMadeFromTheStructs(t *testing.T) {
	golden(t, "../../docs/config.schema.json", string(Schema()))
}

// The tables of docs/configuration.md are generated after the mark.
func TestReferenceIsMadeFromTheStructs(t *testing.T) {
	const file, mark = "../../docs/configuration.md", "<!-- What follows is made from the structs of runtime/config. -->\n"
	text := check.Value(os.ReadFile(file))(t)
	prose, _, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatalf("%s lacks the line %s", file, mark)
	}
	golden(t, file, prose+mark+Reference())
}

// Every key has a description.
func TestEveryKeyIsDocumented(t *testing.T) {
	root().walk(func(k *key) {
		if k.doc == "" {
			t.Errorf("%s has no doc tag", k.path)
		}
	})
}

// uncommented returns config.yaml with every key uncommented.
func uncommented(t *testing.T) string {
	t.Helper()
	data := check.Value(os.ReadFile("../../config.yaml"))(t)
	return regexp.MustCompile(`(?m)^#(  |[a-z])`).ReplaceAllString(string(data), "$1")
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, file, text)
	return file
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	check.Must(t, os.WriteFile(file, []byte(text), 0o600))
}

// load loads one file over the defaults.
func load(t *testing.T, text string) (*Loaded, error) {
	t.Helper()
	return Source{File: write(t, text)}.Load(Default(), "Front", "Encoder")
}

func TestConfigYAMLIsTheDefaults(t *testing.T) {
	loaded := check.Value(Source{File: write(t, uncommented(t))}.Load(Config{}))(t)
	if want := Default(); !reflect.DeepEqual(loaded.Config, want) {
		t.Errorf("config.yaml uncommented is\n%s\nthe defaults are\n%s", loaded.Config.YAML(), want.YAML())
	}
}

func TestConfigYAMLAsItStandsChangesNothing(t *testing.T) {
	loaded := check.Value(Source{File: "../../config.yaml"}.Load(Default()))(t)
	if !reflect.DeepEqual(loaded.Config, Default()) {
		t.Errorf("got\n%s", loaded.Config.YAML())
	}
}

// everything returns a configuration with a value of every kind.
func everything() Config {
	timeout, limit := 3*time.Second, 7
	c := Default()
	c.App = App{Name: "text_pipeline", Version: "1.10"}
	c.HTTP.Port, c.HTTP.MaxBodySize = 4000, 10<<20
	c.HTTP.CORS = CORS{Enabled: true, AllowOrigins: []string{"*"}, MaxAge: 60}
	c.Traffic.Timeout = 1500 * time.Millisecond
	c.Batching.MaxLatency = new(1500 * time.Microsecond)
	c.Metrics.Views = views.Config{
		Namespace: "team",
		Duration:  views.Duration{Min: new(0.1), Max: new(1e6), Factor: new(2.0)},
		SLO:       []float64{0.3, 1},
		Endpoints: map[string]views.Endpoint{"/v1.0/score": {SLO: []float64{2}}, "/": {Duration: views.Duration{Buckets: []float64{1, 2}}}},
	}
	c.OTLP.Timeout = 1<<53 + 1
	c.Services = map[string]Service{"Encoder": {Traffic: ServiceTraffic{Timeout: &timeout, MaxConcurrency: &limit}}, "Front": {}}
	return c
}

// YAML reads back as the same configuration.
func TestYAMLReadsBack(t *testing.T) {
	for _, want := range []Config{Default(), everything()} {
		got, err := load(t, want.YAML())
		if err != nil {
			t.Fatalf("%v\n%s", err, want.YAML())
		}
		if !reflect.DeepEqual(got.Config, want) {
			t.Errorf("got\n%s\nwant\n%s", got.Config.YAML(), want.YAML())
		}
	}
}

func TestPrecedence(t *testing.T) {
	base := Default()
	base.HTTP.Host = "code"
	base.HTTP.Port = 1
	base.Workers = new(1)
	base.Traffic.MaxConcurrency = 1
	base.Services = map[string]Service{"Encoder": {Workers: new(5)}}
	file := write(t, "http: {port: 2}\ntraffic: {max_concurrency: 2, timeout: 2s}\nworkers: 2\nservices: {Front: {workers: 3}}")
	loaded := check.Value(Source{
		File:    file,
		Environ: []string{"EKIBEN_TRAFFIC__MAX_CONCURRENCY=3", "EKIBEN_WORKERS=3", "BENTOML_PORT=9", "PATH=/bin"},
		Set:     []Setting{{"workers", "4", "--set workers"}, {"services.Front.workers", "cpu_count", "--set"}},
	}.Load(base, "Front", "Encoder"))(t)
	c := loaded.Config
	if c.HTTP.Host != "code" || c.HTTP.Port != 2 || c.Traffic.Timeout != 2*time.Second || c.Traffic.MaxConcurrency != 3 || *c.Workers != 4 {
		t.Errorf("got\n%s", c.YAML())
	}
	if c.WorkersOf("Encoder") != 5 || c.WorkersOf("Front") < 1 || c.WorkersOf("Other") != 4 {
		t.Errorf("workers: Encoder %d, Front %d", c.WorkersOf("Encoder"), c.WorkersOf("Front"))
	}
	for key, want := range map[string]string{
		"http.host": "code", "http.port": file + ":1", "traffic.timeout": file + ":2", "traffic.max_concurrency": "EKIBEN_TRAFFIC__MAX_CONCURRENCY",
		"workers": "--set workers", "metrics.namespace": "default", "services.Encoder.workers": "code", "services.Front.workers": "--set",
	} {
		got := loaded.Explain(key)
		if len(got) != 1 || got[0].Source != want {
			t.Errorf("%s comes from %+v, want %s", key, got, want)
		}
	}
}

// A list replaces a list, and one form of the boundaries replaces the other.
func TestWhatReplaces(t *testing.T) {
	base := Default()
	base.Metrics.Views.SLO = []float64{1, 2, 3}
	base.Metrics.Views.Duration.Buckets = []float64{1, 2, 3}
	trio := "metrics: {duration: {min: 0.1, max: 10, factor: 1.2}, slo: [0.5]}"
	loaded := check.Value(Source{File: write(t, trio), Environ: []string{"EKIBEN_METRICS__DURATION__FACTOR=3"}}.Load(base))(t)
	want := views.Config{Namespace: views.DefaultNamespace, Duration: views.Duration{Min: new(0.1), Max: new(10.0), Factor: new(3.0)}, SLO: []float64{0.5}}
	if !reflect.DeepEqual(loaded.Config.Metrics.Views, want) {
		t.Errorf("got\n%s", loaded.Config.YAML())
	}
	loaded = check.Value(Source{File: write(t, trio), Environ: []string{"EKIBEN_METRICS__DURATION__BUCKETS=1,2.5", "EKIBEN_METRICS__SLO=null"}}.Load(base))(t)
	want.Duration, want.SLO = views.Duration{Buckets: []float64{1, 2.5}}, nil
	if !reflect.DeepEqual(loaded.Config.Metrics.Views, want) {
		t.Errorf("got\n%s", loaded.Config.YAML())
	}
}

func TestForms(t *testing.T) {
	loaded, err := load(t, `
x: &limits {timeout: 2m, max_concurrency: 1e3}
`[1:]+"")
	if err == nil || loaded != nil {
		t.Fatal("an unknown key was accepted because it has an anchor")
	}
	loaded = check.Value(load(t, `
app: {name: "1.10"}
traffic: &limits {timeout: 2m, max_concurrency: 1e3}
http: {max_body_size: 1.5GiB, cors: {access_control_allow_origins: "*"}}
batching: {max_latency_ms: 1.5}
metrics: # nothing below
services: {Encoder: {traffic: {<<: *limits, timeout: 0.25}}}
`))(t)
	want := Default()
	want.App.Name = "1.10"
	want.Traffic.Timeout, want.Traffic.MaxConcurrency = 2*time.Minute, 1000
	want.HTTP.MaxBodySize = 3 << 29
	want.HTTP.CORS.AllowOrigins = []string{"*"}
	want.Batching.MaxLatency = new(1500 * time.Microsecond)
	want.Services = map[string]Service{"Encoder": {Traffic: ServiceTraffic{Timeout: new(250 * time.Millisecond), MaxConcurrency: new(1000)}}}
	if !reflect.DeepEqual(loaded.Config, want) {
		t.Errorf("got\n%s", loaded.Config.YAML())
	}
}

// Variables match keys and services in any case. Those of Kubernetes are
// ignored.
func TestVariables(t *testing.T) {
	environ := []string{
		"EKIBEN_APP__VERSION=1.10", "ekiben_workers=9", "EKIBEN_metrics__Max_Series=10", "EKIBEN_SERVICES__ENCODER__TRAFFIC__TIMEOUT=2s",
		"EKIBEN_SERVICES__MY_NAME__WORKERS=3", "EKIBEN_METRICS__ENDPOINTS={/encode: {slo: [0.05]}}", "EKIBEN_HTTP__PORT=", "EKIBEN_CONFIG=x.yaml",
		"EKIBEN_SERVICE_HOST=10.0.0.1", "EKIBEN_SERVICE_PORT=80", "EKIBEN_SERVICE_PORT_HTTP=80", "EKIBEN_PORT=tcp://10.0.0.1:80", "EKIBEN_PORT_80_TCP=tcp://10.0.0.1:80",
		"EKIBEN_PORT_80_TCP_PROTO=tcp", "EKIBEN_PORT_80_TCP_PORT=80", "EKIBEN_PORT_80_TCP_ADDR=10.0.0.1", "EKIBEN_WEB_SERVICE_HOST=10.0.0.1",
	}
	loaded := check.Value(Source{Environ: environ}.Load(Default(), "Encoder", "my-name"))(t)
	want := Default()
	want.App.Version = "1.10"
	want.Metrics.MaxSeries = 10
	want.Metrics.Views.Endpoints = map[string]views.Endpoint{"/encode": {SLO: []float64{0.05}}}
	want.Services = map[string]Service{"Encoder": {Traffic: ServiceTraffic{Timeout: new(2 * time.Second)}}, "my-name": {Workers: new(3)}}
	if !reflect.DeepEqual(loaded.Config, want) {
		t.Errorf("got\n%s", loaded.Config.YAML())
	}
}

func TestVariablesAndSettingsRefused(t *testing.T) {
	_, err := Source{
		Environ: []string{"EKIBEN_METRICS__MAX_SERIE=1", "EKIBEN_HTTP_PORT=80", "EKIBEN_HTTP__PORT=x", "EKIBEN_PROT=1", "EKIBEN_HTPP__PORT=1", "EKIBEN_METRICS__SLO=[1", "EKIBEN_TRAFFIC=5", "EKIBEN_=1", "EKIBEN_HTTP__=1"},
		Set: []Setting{
			{"nope.x", "1", "--set nope.x"}, {"http.prot", "1", "--set http.prot"}, {"http.port.x", "1", "--set http.port.x"}, {"http.port", "70000", "--port"},
			{".http", "1", "--set .http"}, {"http..port", "1", "--set http..port"}, {"metrics.endpoints./v1.0/x.slow", "[1]", "--set"}, {"services.Encoder.trafic.timeout", "1", "--set"},
		},
	}.Load(Default(), "Encoder")
	got := ""
	if err != nil {
		got = err.Error()
	}
	golden(t, "testdata/variables.err", got+"\n")
}

func TestEveryKeyCanBeGivenAsAVariable(t *testing.T) {
	for _, name := range Keys() {
		if strings.Contains(name, "NAME") || strings.Contains(name, "ROUTE") {
			continue
		}
		_, err := Source{Environ: []string{"EKIBEN_" + strings.ToUpper(strings.ReplaceAll(name, ".", "__")) + "="}}.Load(Default())
		if err != nil {
			t.Error(err)
		}
	}
}
