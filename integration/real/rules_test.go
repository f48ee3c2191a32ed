package real

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs in a folder.
func promtool(t *testing.T, dir string, arguments ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need(t, "promtool"), arguments...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ruleFile reads a file beside the rules.
func ruleFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// filled is a folder with these files.
func filled(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRules has promtool fire the alerts, and keep them silent, in the cases
// beside them, and read the configuration that names the rules.
func TestRules(t *testing.T) {
	dir := filepath.Join("..", "..", "deploy", "prometheus")
	for _, arguments := range [][]string{{"test", "rules", "tests.yml"}, {"check", "config", "prometheus.yml"}} {
		if out, err := promtool(t, dir, arguments...); err != nil {
			t.Errorf("%v: %v\n%s", arguments, err, out)
		}
	}
}

// writtenRules are those that `ekiben assets` writes.
func writtenRules(t *testing.T, options ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := run(dir, nil, append([]string{need(t, "ekiben"), "assets", dir}, options...)...); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "prometheus", "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// sameTwice is an alert that reads no family of a namespace: both files fire it,
// with the same labels.
const sameTwice = `    - exp_labels: {severity: ticket, job: bento, instance: "a:3000"}
      exp_annotations:
        summary: 'a:3000: the configuration file has errors'
        description: 'What was in force still is. The next start will fail.'
        runbook_url: https://github.com/ekiben-serving/ekiben/blob/main/docs/runbooks/EkibenConfigRefused.md
`

// TestTwoNamespaces loads the rules of two namespaces together: 2% of requests
// fail under both, which one objective allows and the other does not.
func TestTwoNamespaces(t *testing.T) {
	files := map[string]string{}
	for name, options := range map[string][]string{"theirs.yml": nil, "ours.yml": {"--namespace", "my_team", "--objective", "0.999"}} {
		files[name] = writtenRules(t, options...)
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
	for severity, text := range map[string]string{"page": "two days. Measured over 1h, and still so over 5m", "ticket": "five days. Measured over 6h, and still so over 30m"} {
		fmt.Fprintf(&alerts, `    - exp_labels: {severity: %s, metrics_namespace: my_team, job: bento, service_name: S, runner_name: S}
      exp_annotations:
        summary: 'S: 2%% of requests to S fail'
        description: 'At this rate the month''s budget is gone in %s.'
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
