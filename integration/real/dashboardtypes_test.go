package real

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// grafanaTypes imports Grafana's published types: of the dashboard, of each kind of
// panel, and of queries to Prometheus. JSON has no literal for an enumeration, so
// Written replaces each enumeration by its values.
const grafanaTypes = `import type { Dashboard } from '@grafana/schema';
import type * as gauge from '@grafana/schema/dist/types/raw/composable/gauge/panelcfg/x/types.gen';
import type * as heatmap from '@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type { Prometheus } from './queries/package/dist/types/dataquery';
import type { PromOptions } from './queries/package/dist/types/types';
type Written<T> = T extends string ? ` + "`${T}`" + ` : T extends (infer U)[] ? Written<U>[] : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
type Kinds = {
  gauge: { options: gauge.Options, custom: {} }; stat: { options: stat.Options, custom: {} };
  heatmap: { options: heatmap.Options, custom: heatmap.FieldConfig }; timeseries: { options: timeseries.Options, custom: timeseries.FieldConfig };
};
type Options<K extends keyof Kinds> = Written<Partial<Kinds[K]['options']>>;
type Custom<K extends keyof Kinds> = Written<Kinds[K]['custom']>;
`

// typescript returns a program that declares the dashboard, its panels and the data
// source's exemplars as constants of those types.
func typescript(t *testing.T, dashboard, source string) string {
	t.Helper()
	var parts struct {
		Panels []struct {
			ID          int               `json:"id"`
			Type        string            `json:"type"`
			Options     json.RawMessage   `json:"options"`
			Targets     []json.RawMessage `json:"targets"`
			FieldConfig struct {
				Defaults struct {
					Custom json.RawMessage `json:"custom"`
				} `json:"defaults"`
			} `json:"fieldConfig"`
		} `json:"panels"`
	}
	var provisioned struct {
		Sources []struct {
			Options struct {
				Exemplars []map[string]any `yaml:"exemplarTraceIdDestinations"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	check.Must(t, json.Unmarshal([]byte(dashboard), &parts))
	if err := yaml.Unmarshal([]byte(source), &provisioned); err != nil || len(provisioned.Sources) != 1 || len(provisioned.Sources[0].Options.Exemplars) != 1 {
		t.Fatalf("%v: %v", provisioned, err)
	}
	exemplars := check.Value(json.Marshal(provisioned.Sources[0].Options.Exemplars))(t)
	var b strings.Builder
	b.WriteString(grafanaTypes)
	fmt.Fprintf(&b, "export const dashboard: Written<Dashboard> = %s;\nexport const exemplars: PromOptions['exemplarTraceIdDestinations'] = %s;\n", dashboard, exemplars)
	for _, p := range parts.Panels {
		if p.Type == "row" {
			continue
		}
		fmt.Fprintf(&b, "export const options%d: Options<%q> = %s;\n", p.ID, p.Type, p.Options)
		if p.FieldConfig.Defaults.Custom != nil {
			fmt.Fprintf(&b, "export const custom%d: Custom<%q> = %s;\n", p.ID, p.Type, p.FieldConfig.Defaults.Custom)
		}
		for i, target := range p.Targets {
			fmt.Fprintf(&b, "export const target%d_%d: Written<Prometheus> = %s;\n", p.ID, i, target)
		}
	}
	return b.String()
}

// TestDashboardTypes checks the dashboard, each panel's options and queries, and the
// data source's exemplars with TypeScript, against Grafana's published types. One
// run of the compiler checks the right program and the wrong ones.
func TestDashboardTypes(t *testing.T) {
	t.Parallel()
	compiler := need(t, "grafana")
	need(t, "grafana-queries")
	dashboard, source := read(t, deploy, "grafana", "dashboard.json"), read(t, deploy, "grafana", "provisioning", "datasources", "prometheus.yaml")
	programs := map[string]string{
		"right":         typescript(t, dashboard, source),
		"datasourceUid": typescript(t, dashboard, strings.Replace(source, "datasourceUid", "datasource", 1)),
	}
	for right, wrong := range map[string]string{
		`"gridPos"`: `"gridPosition"`, `"mode": "absolute"`: `"mode": "relative"`, `"showPoints": "never"`: `"showPoints": "none"`,
		`"mode": "multi"`: `"mode": "several"`, `"graphMode": "none"`: `"graphMode": "off"`, `"cellGap": 1`: `"cellGap": "1"`,
		`"showThresholdMarkers"`: `"thresholdMarkers"`, `"legendFormat"`: `"legend"`, `"format": "heatmap"`: `"format": "heat"`,
	} {
		programs[wrong] = typescript(t, strings.Replace(dashboard, right, wrong, 1), source)
	}
	types := filepath.Join(filepath.Dir(compiler), "..", "..")
	files, args := map[string]string{}, []string{"--noEmit", "--strict", "--skipLibCheck"}
	for name, program := range programs {
		file, err := os.CreateTemp(types, "check*.ts") // beside the types
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file.Name()) })
		if _, err := file.WriteString(program); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		files[name], args = filepath.Base(file.Name()), append(args, file.Name())
	}
	out, _ := tool(t, "grafana", args...)
	for name, file := range files {
		if refused := strings.Contains(out, file+"("); refused != (name != "right") {
			t.Errorf("%s: refused is %t:\n%s", name, refused, out)
		}
	}
}
