package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// different lists the files that Ekiben accepts and BentoML refuses, or the other way
// round.
var different = map[string]bool{
	// BentoML's documentation has whole numbers where BentoML requires floats.
	"buckets-integers.yaml": true, "trio-integers.yaml": true, "tracing-rate-integer.yaml": true,
	// BentoML's default file loads, and exactly these keys have no effect.
	"version-2.yaml": true,
	// OpenTelemetry has no metrics without a prefix, and another name would break
	// dashboards silently.
	"namespace-empty.yaml": true,
	// BentoML listens on the port modulo 65536.
	"port-large.yaml": true,
	// BentoML accepts boundaries with which its histograms are wrong.
	"buckets-equal.yaml": true, "buckets-negative.yaml": true, "buckets-nan.yaml": true, "buckets-inf-only.yaml": true, "trio-max-inf.yaml": true,
	// BentoML reads cert_reqs only with TLS.
	"ssl-cert-reqs.yaml": true,
	// BentoML requires a list of origins beside an expression.
	"cors-regex-only.yaml": true,
	// BentoML fails when it first formats an id.
	"access-format-bad.yaml": true,
}

// TestBentoMLFiles compares the result of every file with BentoML's verdict and
// with the notices, errors and keys in testdata/bentoml.txtar.
func TestBentoMLFiles(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // cpu_count of a file
	name := check.Value(filepath.Abs("testdata/bentoml.txtar"))(t)
	archive := check.Value(txtar.ParseFile(name))(t)
	t.Chdir(t.TempDir())
	for i := 0; i < len(archive.Files); i += 3 {
		file, verdict, here := archive.Files[i], strings.TrimSpace(string(archive.Files[i+1].Data)), &archive.Files[i+2]
		check.Must(t, os.WriteFile("bentoml.yaml", file.Data, 0o600))
		loaded, err := Source{Environ: []string{"BENTOML_CONFIG=bentoml.yaml", "SECRET=canary", "PORT=3000"}}.Load(Default(), "Front", "Encoder")
		got := report(loaded, err)
		if *update {
			here.Data = []byte(got)
		}
		if got != string(here.Data) {
			t.Errorf("%s\ngot\n%swant\n%s", file.Name, got, here.Data)
		}
		if starts := verdict == "starts"; (err == nil) != (starts != different[file.Name]) {
			t.Errorf("%s: BentoML: %s; here:\n%s", file.Name, verdict, got)
		}
	}
	if *update {
		check.Must(t, os.WriteFile(name, txtar.Format(archive), 0o644))
	}
}

func report(loaded *Loaded, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, n := range loaded.Notices {
		fmt.Fprintf(&b, "notice %s\n", n)
	}
	for _, e := range loaded.Explain("") {
		if e.Source != "default" && e.Inherits == "" {
			fmt.Fprintf(&b, "%s: %s\n", e.Key, e.Value)
		}
	}
	return b.String()
}

// BentoML's default file loads, and the keys that have no effect are these.
func TestBentoMLDefaults(t *testing.T) {
	loaded := check.Value(Source{File: "testdata/bentoml-defaults.yaml"}.Load(Default(), "Front", "Encoder"))(t)
	var ignored []string
	for _, n := range loaded.Notices {
		if !strings.HasPrefix(n.Text, "has no effect: ") || n.Where.Line == 0 {
			t.Errorf("got %s", n)
		}
		ignored = append(ignored, strings.TrimPrefix(n.Key, "services."))
	}
	want := []string{
		"resources", "threads", "backlog", "max_runner_connections", "replicate_process", "extra_ports", "runner_connection",
		"runner_probe.period", "ssl.version", "ssl.ciphers", "http.proxy_port", "grpc", "monitoring", "tracing.zipkin", "tracing.jaeger",
	}
	if !slices.Equal(ignored, want) {
		t.Errorf("ignored\n%q\nwant\n%q", ignored, want)
	}
	if !reflect.DeepEqual(loaded.Config, Default()) {
		t.Errorf("BentoML's defaults are not ours:\n%s", loaded.Config.YAML())
	}
}

// The examples of BentoML's documentation of metrics, as files.
func TestTheDocumentsExamples(t *testing.T) {
	const head = "version: 2\nservices:\n  Front:\n    metrics:\n      enabled: true\n      namespace: bentoml_service\n      duration: "
	for duration, want := range map[string][]float64{
		"{buckets: [0.1, 0.2, 0.5, 1, 2, 5, 10]}": {0.1, 0.2, 0.5, 1, 2, 5, 10},
		"{min: 0.1, max: 10, factor: 1.2}":        nil, // views has them
	} {
		loaded := check.Value(load(t, head+duration))(t)
		got, err := loaded.Config.Metrics.Views.Boundaries("")
		if err != nil || len(loaded.Notices) > 0 || want != nil && !slices.Equal(got, want) || want == nil && (len(got) != 27 || got[3] != 0.17279999999999998) {
			t.Errorf("%s: got %v, %v, %v", duration, got, loaded.Notices, err)
		}
	}
}

// Ekiben's sources override BentoML's variables, which override each other in
// BentoML's order.
func TestBentoMLVariables(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "b.yaml")
	check.Must(t, os.WriteFile(file, []byte("version: 2\nservices: {traffic: {timeout: 1, max_concurrency: 1}, http: {port: 1}, metrics: {namespace: file}}"), 0o600))
	environ := []string{
		"HOME=" + home, "NAME=b", "BENTOML_CONFIG=~/${NAME}.yaml", "BENTOML_PORT=5",
		`BENTOML_CONFIG_OVERRIDES={"services": {"traffic": {"max_concurrency": 2}, "http": {"port": 2}, "metrics": {"namespace": "json"}}}`,
		`BENTOML_CONFIG_OPTIONS=services.http.port=3 services."Front".traffic.timeout=4 services.metrics.duration.buckets=[0.5,1.0]`,
	}
	loaded, err := Source{Environ: environ}.Load(Default(), "Front")
	if err != nil {
		t.Fatal(err)
	}
	want := "http.port: 5\ntraffic.timeout: 1\ntraffic.max_concurrency: 2\nmetrics.namespace: json\nmetrics.duration.buckets: [0.5, 1]\nservices.Front.traffic.timeout: 4\n"
	check.Equal(t, report(loaded, err), want)
	loaded, err = Source{Environ: append(environ, "EKIBEN_HTTP__PORT=7"), File: write(t, "traffic: {timeout: 6}\nhttp: {port: 6}")}.Load(Default(), "Front")
	if err != nil || loaded.Config.HTTP.Port != 7 || loaded.Config.Traffic.Timeout != 6e9 {
		t.Errorf("got %v\n%s", err, report(loaded, err))
	}
	for variable, want := range map[string]string{
		"BENTOML_CONFIG=x.json":                     `BENTOML_CONFIG: must name a file that ends in .yaml or .yml, found "x.json"`,
		"BENTOML_CONFIG=/none.yaml":                 "/none.yaml: no such file",
		"BENTOML_CONFIG_OVERRIDES={":                "BENTOML_CONFIG_OVERRIDES: must be one JSON object",
		"BENTOML_CONFIG_OVERRIDES=[1]":              "BENTOML_CONFIG_OVERRIDES: must be one JSON object",
		"BENTOML_CONFIG_OPTIONS=x":                  `BENTOML_CONFIG_OPTIONS: must be key=value pairs with blanks between them, found "x"`,
		"BENTOML_CONFIG_OPTIONS=services.workers=0": "BENTOML_CONFIG_OPTIONS: services.workers: must be a whole number greater than 0, or cpu_count, found 0",
		"BENTOML_PORT=http":                         `BENTOML_PORT: http.port: must be a whole number, found "http"`,
	} {
		if _, err := (Source{Environ: []string{variable}}).Load(Default(), "Front"); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", variable, err, want)
		}
	}
	loaded, err = Source{Environ: []string{"BENTOML_PORT=tcp://10.0.0.1:3000"}}.Load(Default())
	if err != nil || len(loaded.Notices) != 1 {
		t.Errorf("got %v, %+v", err, loaded)
	}
}

// A file without a version is BentoML's if it has a key that only BentoML has. The
// errors and notices show which format was assumed.
func TestWhoseFile(t *testing.T) {
	for text, want := range map[string]string{
		"services: {traffic: {timeout: 5}}":                                         "traffic.timeout: 5\n",
		"services: {Front: {traffic: {timeout: 5}}}":                                "services.Front.traffic.timeout: 5\n", // either
		"services: {Front: {metrics: {namespace: x}}}":                              "metrics.namespace: x\n",
		"services: {Front: {metrics: {namespace: x}}}\nfoo: 1":                      "F:1: services.Front.metrics: unknown key; did you mean metrics or otlp.metrics?\nF:2: foo: unknown key; known here: ",
		"services: {traffic: {timeout: 5}}\nfoo: {}":                                "F:1: services.traffic.timeout: unknown key; ",
		"api_server: {workers: 1}":                                                  "notice F:1: api_server: has no effect: BentoML reads it for services of BentoML 1.1 and before; set the keys below services\n",
		"tracing: {max_tag_value_length: 3}":                                        "notice F:1: tracing.max_tag_value_length: has no effect, because tracing.enabled is false\ntracing.max_tag_value_length: 3\n",
		"tracing: {exporter_type: otlp}\nservices: {workers: 2}":                    "notice F:1: tracing: has no effect: BentoML reads it for services of BentoML 1.1 and before; set the keys below services\nworkers: 2\n",
		"version: 2\nservices: {Front: {workers: 2}}":                               "services.Front.workers: 2\n",
		"version: 1\nservices: {Front: {workers: 2}}":                               "F:1: version: must be absent, or 2, found 1; the file is read as a BentoML file because of version in line 1\n",
		"http: {port: 1}\nversion: 1":                                               "F:1: http.port: unknown key: BentoML does not start with it; the file is read as a BentoML file because of version in line 2\nF:2: version: must be absent, or 2, found 1; the file is read as a BentoML file because of version in line 2\n",
		"services: {Front: {traffic: {timeout: 5, endpoints: {/a: {timeout: 1}}}}}": "services.Front.traffic.timeout: 5\nservices.Front.traffic.endpoints./a.timeout: 1\n",
	} {
		file := write(t, text)
		loaded, err := Source{File: file}.Load(Default(), "Front")
		if got := strings.ReplaceAll(report(loaded, err), file, "F"); !strings.HasPrefix(got, want) || err == nil && got != want {
			t.Errorf("%s: got\n%swant\n%s", text, got, want)
		}
	}
	// A service may have the name of one of BentoML's keys.
	loaded, err := Source{File: write(t, "services: {traffic: {workers: 3}}")}.Load(Default(), "traffic")
	if err != nil || loaded.Config.WorkersOf("traffic") != 3 {
		t.Errorf("got %v", err)
	}
}
