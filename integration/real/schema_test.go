package real

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// valuesSchema holds the keys of one value in the chart's schema.
type valuesSchema struct {
	Properties map[string]valuesSchema `json:"properties"`
	Others     any                     `json:"additionalProperties"`
}

func schemaOf(t *testing.T, path ...string) (schema valuesSchema) {
	t.Helper()
	check.Must(t, json.Unmarshal([]byte(read(t, path...)), &schema))
	return schema
}

// TestChartSchema checks that the schema has the keys of values.yaml and Helm's own,
// and no others, and below config the keys of the service.
func TestChartSchema(t *testing.T) {
	t.Parallel()
	var values map[string]any
	check.Must(t, yaml.Unmarshal([]byte(read(t, chart, "values.yaml")), &values))
	schema, service := schemaOf(t, chart, "values.schema.json"), schemaOf(t, root, "docs", "config.schema.json")
	for _, helms := range []string{"global", "enabled"} {
		if _, known := schema.Properties[helms]; !known {
			t.Errorf("a parent chart cannot set %s", helms)
		}
		delete(schema.Properties, helms)
	}
	config := schema.Properties["config"]
	if config.Others != false {
		t.Error("the schema lets any key of config pass")
	}
	sectionsOfTheService(t)
	delete(config.Properties, "version") // BentoML's
	sameKeys(t, "config", config, slices.Collect(maps.Keys(service.Properties)))
	delete(schema.Properties, "config")
	delete(values, "config")
	free := sameLevels(t, "", schema, values)
	if theirs := []string{".affinity", ".collector.config", ".collector.resources", ".monitor.endpoint", ".monitor.labels", ".monitor.tlsConfig", ".nodeSelector", ".podAnnotations", ".podLabels", ".probes.liveness", ".probes.readiness", ".probes.startup", ".resources", ".serviceAccount.annotations"}; !slices.Equal(free, theirs) {
		t.Errorf("the schema names no keys below %q, want that of the types of others only: %q", free, theirs)
	}
}

// sectionsOfTheService checks that the chart's schema has each section of
// docs/config.schema.json, except services, which has another form in BentoML's files.
// -update copies the sections.
func sectionsOfTheService(t *testing.T) {
	t.Helper()
	file := filepath.Join(chart, "values.schema.json")
	var values, service map[string]any
	for path, into := range map[string]*map[string]any{file: &values, filepath.Join(root, "docs", "config.schema.json"): &service} {
		if err := json.Unmarshal([]byte(read(t, path)), into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	sections := at(values, "properties", "config", "properties").(map[string]any)
	for name, section := range service["properties"].(map[string]any) {
		if name == "services" {
			continue
		}
		if want := bare(section); !reflect.DeepEqual(sections[name], want) && !*update {
			t.Errorf("config.%s differs from docs/config.schema.json; go test -run ChartSchema -update copies it", name)
		}
		sections[name] = bare(section)
	}
	if !*update {
		return
	}
	content := check.Value(json.MarshalIndent(values, "", "  "))(t)
	check.Must(t, os.WriteFile(file, append(content, '\n'), 0o644))
}

// bare returns a schema without descriptions, defaults and titles.
func bare(schema any) any {
	switch schema := schema.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, value := range schema {
			switch key {
			case "description", "default", "title":
			case "properties":
				named := map[string]any{}
				for name, property := range value.(map[string]any) {
					named[name] = bare(property)
				}
				kept[key] = named
			default:
				kept[key] = bare(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(schema))
		for i, value := range schema {
			kept[i] = bare(value)
		}
		return kept
	}
	return schema
}

// sameLevels compares the keys of a schema with those of the defaults, level by
// level. It returns the places below which the schema has no keys.
func sameLevels(t *testing.T, place string, schema valuesSchema, values map[string]any) (free []string) {
	t.Helper()
	if schema.Properties == nil {
		return []string{place}
	}
	sameKeys(t, place, schema, slices.Collect(maps.Keys(values)))
	if schema.Others != false {
		t.Errorf("%s: the schema lets any key pass", place)
	}
	for key, value := range values {
		if level, nested := value.(map[string]any); nested {
			free = append(free, sameLevels(t, place+"."+key, schema.Properties[key], level)...)
		}
	}
	slices.Sort(free)
	return free
}

func sameKeys(t *testing.T, place string, schema valuesSchema, want []string) {
	t.Helper()
	got := slices.Sorted(maps.Keys(schema.Properties))
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%s: the schema has %q, want %q", place, got, want)
	}
}

// TestChartValues checks that the schema refuses wrong values with their places, all
// of them at once.
func TestChartValues(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{
		`replica=3`:                                        `at '': additional properties 'replica' not allowed`,
		`autoscaling.maximum=3`:                            `at '/autoscaling': additional properties 'maximum' not allowed`,
		`config.htp={"port":3000}`:                         `at '/config': additional properties 'htp' not allowed`,
		`config.metrics=true`:                              `at '/config/metrics': got boolean, want null or object`,
		`config.traffic={"timeoutt":3}`:                    `at '/config/traffic': additional properties 'timeoutt' not allowed`,
		`config.logging.level="trace"`:                     `at '/config/logging/level': value must be one of`,
		`config.tracing.sample_rate=2`:                     `at '/config/tracing/sample_rate': maximum`,
		`config.http.max_body_size="10XB"`:                 `at '/config/http/max_body_size': '10XB' does not match pattern`,
		`config.otlp.metrics="no"`:                         `at '/config/otlp/metrics': got string, want null or object`,
		`image.tag=1.10`:                                   `at '/image/tag': got number, want string`,
		`probes.startup=null`:                              `at '/probes': missing property 'startup'`,
		`replicas="two"`:                                   `at '/replicas': got string, want integer`,
		`autoscaling.by="hpaa"`:                            `at '/autoscaling/by': value must be one of '', 'keda', 'hpa'`,
		`autoscaling.inProgress=0`:                         `at '/autoscaling/inProgress': exclusiveMinimum: got 0, want 0`,
		`monitor.kind="pods"`:                              `at '/monitor/kind': value must be one of '', 'pod', 'service', 'collector'`,
		`monitor.interval=15`:                              `at '/monitor/interval': got number, want string`,
		`monitor.labels={"release":1}`:                     `at '/monitor/labels/release': got number, want string`,
		`nameOverride="Front"`:                             `at '/nameOverride': 'Front' does not match pattern`,
		`fullnameOverride="2nd"`:                           `at '/fullnameOverride': '2nd' does not match pattern`,
		`podAnnotations={"sidecar.istio.io/inject":false}`: `at '/podAnnotations/sidecar.istio.io~1inject': got boolean, want string`,
		`podLabels.team=null`:                              `at '/podLabels/team': got null, want string`,
		`serviceAccount.create="yes"`:                      `at '/serviceAccount/create': got string, want boolean`,
		`preStop=-1`:                                       `at '/preStop': minimum: got -1, want 0`,
		`podDisruptionBudget.enabled="no"`:                 `at '/podDisruptionBudget/enabled': got string, want boolean`,
		`podDisruptionBudget.maxUnavailable=""`:            `at '/podDisruptionBudget/maxUnavailable': '' does not match pattern`,
		`service.port=70000`:                               `at '/service/port': maximum: got 70,000, want 65,535`,
		`args="serve"`:                                     `at '/args': got string, want array`,
		`nodeSelector={"gpu":true}`:                        `at '/nodeSelector/gpu': got boolean, want string`,
	}
	var all []string
	for set, want := range wrong {
		if out, err := template(t, "--set-json="+set); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s, want %q", set, err, out, want)
		}
		all = append(all, "--set-json="+set)
	}
	if out, err := template(t, all...); err == nil || strings.Count(out, "- at '") < len(wrong) {
		t.Errorf("the error does not list every wrong value: %v %s", err, out)
	}
	for _, near := range []string{
		`image.tag="1.10"`, `replicas=0`, `autoscaling.inProgress=0.5`, `podDisruptionBudget.maxUnavailable="25%"`, `preStop=0`, `monitor.interval="1m30s"`,
		`config.workers="cpu_count"`, `config.metrics=null`, `resources=null`, `affinity={"podAntiAffinity":{}}`, `global={"image":"ours"}`, `env=[{"name":"A","value":"1"}]`,
	} {
		render(t, "--set-json="+near)
	}
}

// TestChartInChart renders a chart that depends on this one: with values for it, and
// without it.
func TestChartInChart(t *testing.T) {
	t.Parallel()
	parent := filled(t, map[string]string{
		"Chart.yaml":  "{apiVersion: v2, name: parent, version: 0.1.0, dependencies: [{name: ekiben, version: 0.1.0, condition: ekiben.enabled}]}",
		"values.yaml": "{global: {registry: example.org}, ekiben: {enabled: true, replicas: 3, affinity: null, config: {http: {port: 3001}}}}",
	})
	check.Must(t, os.CopyFS(filepath.Join(parent, "charts", "ekiben"), os.DirFS(chart)))
	out, err := templateOf(t, parent)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	deployment := objectOf(t, out, "Deployment", "bento-ekiben")
	if n, port := whole(deployment, "spec", "replicas"), portOf(at(deployment, "spec", "template", "spec", "containers", 0), "http"); n != 3 || port != 3001 {
		t.Errorf("there are %d pods with the port %d", n, port)
	}
	if out, err := templateOf(t, parent, "ekiben.enabled=false"); err != nil || strings.Contains(out, "kind:") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := templateOf(t, parent, "ekiben.replica=2"); err == nil || !strings.Contains(out, "ekiben:\n- at '': additional properties 'replica' not allowed") {
		t.Errorf("%v\n%s", err, out)
	}
}
