package real

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs promtool in a folder.
func promtool(t *testing.T, dir string, arguments ...string) (string, error) {
	t.Helper()
	cmd := command(t, "promtool", arguments...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestRules runs each case of tests.yml with promtool, and checks the configuration
// that loads the rules.
func TestRules(t *testing.T) {
	t.Parallel()
	if out, err := promtool(t, filepath.Join(deploy, "prometheus"), "check", "config", "prometheus.yml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	rules := read(t, deploy, "prometheus", "rules.yml")
	for name, tests := range casesByName(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := promtool(t, filled(t, map[string]string{"rules.yml": rules, "tests.yml": tests}), "test", "rules", "tests.yml"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// sameTwice is an alert that reads no family of the namespace. Both files fire it
// with the same labels.
const sameTwice = `    - exp_labels: {severity: ticket, job: bento, instance: "a:3000"}
      exp_annotations:
        summary: 'a:3000: the configuration file has errors'
        description: 'The old configuration is still in use. The next start will fail.'
        runbook_url: https://github.com/ekiben-serving/ekiben/blob/main/docs/runbooks/EkibenConfigRefused.md
`

// TestTwoNamespaces loads the rules of two namespaces together. 2% of requests fail
// in both, which only one of the objectives allows.
func TestTwoNamespaces(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for name, options := range map[string][]string{"theirs.yml": nil, "ours.yml": {"--namespace", "my_team", "--objective", "0.999"}} {
		files[name] = read(t, assets(t, options...), "prometheus", "rules.yml")
	}
	const labels = `job="bento",instance="a:3000",service_name="S",runner_name="S"`
	var series, recorded strings.Builder
	series.WriteString("  - {series: 'ekiben_config_last_reload_successful{job=\"bento\",instance=\"a:3000\"}', values: '0x100'}\n")
	for _, namespace := range []string{"bentoml_service", "my_team"} {
		for code, values := range map[string]string{"200": "0+98x100", "500": "0+2x100"} {
			fmt.Fprintf(&series, "  - {series: '%s_request_total{endpoint=\"/x\",http_response_code=%q,%s}', values: '%s'}\n", namespace, code, labels, values)
		}
		fmt.Fprintf(&recorded, "  - {eval_time: 1h, expr: '%s:requests_failed:ratio_rate1h', exp_samples: [{labels: '%[1]s:requests_failed:ratio_rate1h{job=\"bento\",service_name=\"S\",runner_name=\"S\"}', value: 0.02}]}\n", namespace)
	}
	var alerts strings.Builder
	for severity, text := range map[string]string{"page": "two days. The rate holds over 1h and over 5m", "ticket": "five days. The rate holds over 6h and over 30m"} {
		fmt.Fprintf(&alerts, `    - exp_labels: {severity: %s, metrics_namespace: my_team, job: bento, service_name: S, runner_name: S}
      exp_annotations:
        summary: 'S: 2%% of requests to S fail'
        description: 'At this rate the error budget of a month lasts %s.'
        runbook_url: https://github.com/ekiben-serving/ekiben/blob/main/docs/runbooks/EkibenErrorBudgetBurn.md
`, severity, text)
	}
	files["tests.yml"] = "rule_files: [theirs.yml, ours.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n" + series.String() +
		"  promql_expr_test:\n" + recorded.String() + "  alert_rule_test:\n  - eval_time: 1h\n    alertname: EkibenErrorBudgetBurn\n    exp_alerts:\n" + alerts.String() +
		"  - eval_time: 1h\n    alertname: EkibenConfigRefused\n    exp_alerts:\n" + strings.Repeat(sameTwice, 2)
	dir := filled(t, files)
	if out, err := promtool(t, dir, "test", "rules", "tests.yml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	both := filled(t, map[string]string{"rules.yml": files["theirs.yml"] + strings.SplitAfterN(files["ours.yml"], "groups:\n", 2)[1]})
	if out, err := promtool(t, both, "check", "rules", "rules.yml"); err != nil {
		t.Errorf("one file of both: %v\n%s", err, out)
	}
}
