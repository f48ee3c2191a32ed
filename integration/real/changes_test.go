package real

import (
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.yaml.in/yaml/v3"
)

// change is a change of the rules, and the name of the case that must fail for it.
type change struct{ from, to, noticed string }

// TestChangedRules changes each threshold, window, matcher and delay of the rules.
// The named case of tests.yml must fail for each change.
func TestChangedRules(t *testing.T) {
	t.Parallel()
	rules := read(t, deploy, "prometheus", "rules.yml")
	cases := casesByName(t)
	for _, c := range changes() {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			t.Parallel()
			text, there := cases[c.noticed]
			changed := strings.ReplaceAll(rules, c.from, c.to)
			if !there || changed == rules {
				t.Fatalf("the rules lack %q, or there is no case %q", c.from, c.noticed)
			}
			dir := filled(t, map[string]string{"rules.yml": changed, "tests.yml": text})
			if out, err := promtool(t, dir, "check", "rules", "rules.yml"); err != nil {
				t.Fatalf("the changed rules are invalid: %s", out)
			}
			if out, err := promtool(t, dir, "test", "rules", "tests.yml"); err == nil {
				t.Errorf("the case %q does not fail:\n%s", c.noticed, out)
			}
		})
	}
}

// casesByName splits tests.yml into files of one case each.
func casesByName(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		RuleFiles []string    `yaml:"rule_files"`
		Interval  string      `yaml:"evaluation_interval"`
		Tests     []yaml.Node `yaml:"tests"`
	}
	check.Must(t, yaml.Unmarshal([]byte(read(t, deploy, "prometheus", "tests.yml")), &file))
	cases := map[string]string{}
	for _, test := range file.Tests {
		var named struct {
			Name string `yaml:"name"`
		}
		text, err := yaml.Marshal(map[string]any{"rule_files": file.RuleFiles, "evaluation_interval": file.Interval, "tests": []*yaml.Node{&test}})
		if err != nil || test.Decode(&named) != nil {
			t.Fatal(err)
		}
		if cases[named.Name] != "" {
			t.Errorf("two cases are called %q", named.Name)
		}
		cases[named.Name] = string(text)
	}
	return cases
}

// changes lists the mistakes that somebody could make in the rules. Both kinds of
// error budget have the same thresholds and windows.
func changes() []change {
	var all []change
	for _, kind := range []struct{ recorded, are, half string }{{"requests_failed", "fail", "fail"}, {"requests_slow", "are slow", "are slow"}} {
		ratio := "bentoml_service:" + kind.recorded + ":ratio_rate"
		fifth := map[string]string{"fail": "one in five requests fails", "are slow": "one in five is slow"}[kind.are]
		half := func(when string) string { return "half " + kind.half + " for " + when }
		all = append(all,
			change{ratio + "1h > 14.4 *", ratio + "1h > 14.6 *", "14.5% " + kind.are},
			change{ratio + "5m > 14.4 *", ratio + "5m > 14.6 *", "14.5% " + kind.are},
			change{ratio + "1h > 14.4 * (1 - 0.99) and " + ratio + "5m > 14.4 *", ratio + "1h > 14.2 * (1 - 0.99) and " + ratio + "5m > 14.2 *", "14.3% " + kind.are},
			change{ratio + "6h > 6 *", ratio + "6h > 6.2 *", "6.1% " + kind.are},
			change{ratio + "30m > 6 *", ratio + "30m > 6.2 *", "6.1% " + kind.are},
			change{ratio + "6h > 6 * (1 - 0.99) and " + ratio + "30m > 6 *", ratio + "6h > 5.8 * (1 - 0.99) and " + ratio + "30m > 5.8 *", "5.9% " + kind.are},
			change{" and " + ratio + "5m > 14.4 * (1 - 0.99)", "", half("half an hour, until ten minutes ago")},
			change{" and " + ratio + "30m > 6 * (1 - 0.99)", "", half("an hour, until forty minutes ago")},
			change{ratio + "1h > 14.4 * (1 - 0.99) and ", "", half("eight minutes, after two hours")},
			change{ratio + "6h > 6 * (1 - 0.99) and ", "", half("eight minutes, after two hours")},
			change{ratio + "1h > 14.4", ratio + "6h > 14.4", half("half an hour, after four hours")},
			change{ratio + "1h > 14.4 * (1 - 0.99) and " + ratio + "5m > 14.4 * (1 - 0.99)\n    for: 2m", "vector(0) > 0\n    for: 2m", fifth},
			change{ratio + "5m > 14.4 * (1 - 0.99)\n    for: 2m", ratio + "5m > 14.4 * (1 - 0.99)\n    for: 0m", fifth},
			change{ratio + "5m > 14.4 * (1 - 0.99)\n    for: 2m", ratio + "5m > 14.4 * (1 - 0.99)\n    for: 5m", fifth},
			change{ratio + "30m > 6 * (1 - 0.99)\n    for: 15m", ratio + "30m > 6 * (1 - 0.99)\n    for: 5m", fifth},
			change{ratio + "30m > 6 * (1 - 0.99)\n    for: 15m", ratio + "30m > 6 * (1 - 0.99)\n    for: 20m", fifth},
		)
	}
	return append(append(all, changesOfRecordings()...), changesOfAlerts()...)
}

func changesOfRecordings() []change {
	fails, slow := "half fail for ", "half are slow for "
	return []change{
		{"[5m]", "[30m]", fails + "half an hour, until ten minutes ago"},
		{"[5m]", "[30m]", slow + "half an hour, until ten minutes ago"},
		{"[30m]", "[1h]", fails + "an hour, until forty minutes ago"},
		{"[30m]", "[1h]", slow + "an hour, until forty minutes ago"},
		{"[1h]", "[6h]", fails + "half an hour, after four hours"},
		{"[1h]", "[6h]", slow + "half an hour, after four hours"},
		{"[6h]", "[1h]", fails + "eight minutes, after two hours"},
		{"[6h]", "[1h]", slow + "eight minutes, after two hours"},
		{"[6h]", "[24h]", fails + "an hour, after eight hours"},
		{"[6h]", "[24h]", slow + "an hour, after eight hours"},
		{`response_code=~"5.."`, `response_code="500"`, "each response of 5xx is a failure"},
		{`response_code=~"5.."`, `response_code=~"[45].."`, "responses of 4xx are not failures"},
		{`http_response_code!~"5..",`, ``, "responses of 504 are slow, and failures alone"},
		{`http_response_code!~"5..",`, ``, "responses of 500 are fast, and hide nothing that is slow"},
		{`le=~"1|1[.]0"`, `le="1"`, "one in five is slow"},
		{`le=~"1|1[.]0"`, `le="1.0"`, "one in five is slow and le is as OTLP writes it"},
		{`le=~"1|1[.]0"`, `le="2.5"`, "one in five is slow"},
		{`le=~"1|1[.]0"`, `le="0.1"`, "all are fast"},
		{"unless ignoring (le) (bentoml_service_request_duration_seconds_count", "unless ignoring (le) (nothing", "all are fast, and a server begins to have the boundary"},
		{` and ignoring (le) `, ` or ignoring (le) 0 * `, "all of one endpoint are fast, and another lacks the boundary"},
		{" or 0 * ", " or 1 + 0 * ", "nothing fails, and nothing did since the start"},
		{`exported_endpoint!~"(/.*)?`, `exported_endpoint!~"`, "probes and documents behind a prefix that fail are not requests"},
		{`,endpoint!~"(/.*)?`, `,endpoint!~"`, "probes and documents behind a prefix that fail are not requests"},
		{`{endpoint!~"(/.*)?`, `{endpoint!~"`, "nor do they hide what fails"},
		{`endpoint!~"(/.*)?/(livez`, `endpoint!~"(/.*)?/(x`, "probes and documents that fail are not requests"},
		{`static_content/.*)?"`, `static_content/.*)"`, "probes and documents that fail are not requests"},
		{`|docs[.]json`, ``, "probes and documents that fail are not requests"},
		{`|schema[.]json`, ``, "probes and documents that fail are not requests"},
		{`|static_content/.*`, ``, "probes and documents that fail are not requests"},
		{`endpoint!~"(/.*)?/(livez|`, `endpoint!~"(/.*)?/(.*livez|`, "what only looks like a probe is a request"},
		{`static_content/.*)?"`, `static_content/.*)?.*"`, "what only looks like a probe is a request"},
	}
}

func changesOfAlerts() []change { return slices.Concat(changesOfRequests(), changesOfProcesses()) }

// changesOfRequests are of the alerts about requests and what refuses them.
func changesOfRequests() []change {
	return []change{
		{"rate5m == 0 and", "rate5m >= 0 and", "all are fast"},
		{"rate5m == 0 and", "rate1h == 0 and", "traffic stops, but for probes"},
		{" and bentoml_service:requests:rate5m offset 1h > 0", "", "nobody ever came"},
		{"offset 1h > 0", "offset 30m > 0", "traffic stops, but for probes"},
		{"offset 1h > 0", "offset 2h > 0", "traffic stops, but for probes"},
		{"offset 1h > 0\n    for: 10m", "offset 1h > 0\n    for: 2m", "traffic stops, but for probes"},
		{`,exported_endpoint!~`, `,unknown!~`, "traffic stops, but for probes with an operator"},
		{`unless group by (namespace, job, service_name, runner_name)`, `unless on (job) group by (job)`, "a server goes, and another service of its job stays"},
		{`group by (namespace, job, service_name, runner_name)`, `group by (namespace, job, service_name, runner_name, instance)`, "one of two servers goes"},
		{"in_progress[1h]", "in_progress[10m]", "the only server goes"},
		{"in_progress[1h]", "in_progress[2h]", "the only server goes"},
		{"(bentoml_service_request_in_progress)\n    for: 5m", "(bentoml_service_request_in_progress)\n    for: 1m", "the only server goes"},
		{"(bentoml_service_request_in_progress)\n    for: 5m", "(bentoml_service_request_in_progress)\n    for: 0m", "a server comes back at once"},
		{"(count_over_time(bentoml_service_request_in_progress[1h]))", "(bentoml_service_request_in_progress offset 1h)", "a server that came twenty minutes ago goes"},
		{"> 0.9\n", "> 0.92\n", "91% of the slots are taken"},
		{"> 0.9\n", "> 0.88\n", "89% of the slots are taken"},
		{"> 0.9\n    for: 5m", "> 0.9\n    for: 2m", "nearly all slots are taken"},
		{"> 0.9\n    for: 5m", "> 0.9\n    for: 15m", "nearly all slots are taken"},
		{"namespace, job, instance, service_name", "namespace, job, service_name", "one server of two is full"},
		{"queue_full|late|expired", "late|expired", "2% are refused: queue_full"},
		{"queue_full|late|expired", "queue_full|expired", "2% are refused: late"},
		{"queue_full|late|expired", "queue_full|late", "2% are refused: expired"},
		{`{reason=~"queue_full|late|expired"}`, ``, "callers leave, and the server drains"},
		{"queue_full|late|expired", "queue_full|late|too_many|expired", "lists are too long"},
		{"> 0.01\n", "> 0.012\n", "1.1% are refused"},
		{"> 0.01\n", "> 0.008\n", "0.9% are refused"},
		{"> 0.01\n    for: 5m", "> 0.01\n    for: 2m", "2% are refused: late"},
		{"> 0.01\n    for: 5m", "> 0.01\n    for: 15m", "2% are refused: late"},
		{"late|expired\"}[5m]", "late|expired\"}[1h]", "refusals end"},
		{"runner_name, method_name)", "runner_name)", "one API of a busier service refuses half"},
		{"(rate(ekiben_batch_refused_total[5m])))", "(0 * rate(ekiben_batch_refused_total[5m])))", "one API of a busier service refuses half"},
	}
}

// changesOfProcesses are of the alerts about pushes, pages, files, functions and certificates.
func changesOfProcesses() []change {
	return []change{
		{"timestamp_seconds > 600", "timestamp_seconds > 300", "it took metrics for half an hour"},
		{"timestamp_seconds > 600", "timestamp_seconds > 1200", "it took metrics for half an hour"},
		{"timestamp_seconds > 600", "timestamp_seconds > 0", "it refuses some spans, and takes others"},
		{"on (namespace, job, instance, signal) sum by (namespace, job, instance, signal)", "on (namespace, job, instance) sum by (namespace, job, instance)", "no span was ever sampled"},
		{"(increase(ekiben_otlp_failures_total[30m])) > 0", "(increase(ekiben_otlp_failures_total[30m])) > 100", "the collector takes no spans"},
		{"(increase(ekiben_otlp_failures_total[30m])) > 0", "(increase(ekiben_otlp_failures_total[30m])) >= 0", "it refused spans, and none came since"},
		{"(ekiben_otlp_failures_total) > 0", "(ekiben_otlp_failures_total) >= 0", "it refused spans, and the server was started again"},
		{"failures_total[30m]", "failures_total[1h]", "it refused spans, and none came since"},
		{"failures_total[30m]", "failures_total[10m]", "metrics go each twenty minutes, and one push fails"},
		{"failures_total) > 0\n    for: 5m", "failures_total) > 0\n    for: 1m", "it took metrics for half an hour"},
		{"scrape_errors_total[15m]", "scrape_errors_total[5m]", "a family is broken, and mended after twenty minutes"},
		{"scrape_errors_total[15m]", "scrape_errors_total[1h]", "a family is broken, and mended after twenty minutes"},
		{"increase(ekiben_scrape_errors_total[15m])", "ekiben_scrape_errors_total", "a family is broken, and mended after twenty minutes"},
		{"> 0\n    for: 0s", "> 0\n    for: 5m", "a family is broken, and mended after twenty minutes"},
		{"last_reload_successful == 0", "last_reload_successful < 2", "the file is wrong, and mended after twenty minutes"},
		{"last_reload_successful == 0\n    for: 5m", "last_reload_successful == 0\n    for: 0m", "the file is wrong, and mended after twenty minutes"},
		{"last_reload_successful == 0\n    for: 5m", "last_reload_successful == 0\n    for: 15m", "the file is wrong, and mended after twenty minutes"},
		{"ekiben_http_overdue > 0", "ekiben_http_overdue > 1", "one function hangs, and ends"},
		{"ekiben_http_overdue > 0", "ekiben_http_overdue >= 0", "a function is late once"},
		{"overdue > 0\n    for: 15m", "overdue > 0\n    for: 5m", "functions hang"},
		{"overdue > 0\n    for: 15m", "overdue > 0\n    for: 30m", "functions hang"},
		{"hanging > 0", "hanging > 1", "a batch function hangs, and nobody sends requests"},
		{"hanging > 0", "hanging >= 0", "a batch function hangs, and nobody sends requests"},
		{"hanging > 0\n    for: 1m", "hanging > 0\n    for: 0m", "a batch function hangs for half a minute"},
		{"hanging > 0\n    for: 1m", "hanging > 0\n    for: 5m", "a batch function hangs, and nobody sends requests"},
		{"< 7 * 86400", "< 8 * 86400", "a certificate ends in a week"},
		{"< 7 * 86400", "< 6 * 86400", "a certificate ends in a week"},
		{"seconds - time() < 7", "seconds - time() > 0 < 7", "a certificate has ended"},
		{"86400\n    for: 15m", "86400\n    for: 5m", "a certificate ends in a week"},
		{"86400\n    for: 15m", "86400\n    for: 30m", "a certificate ends in a week"},
	}
}
