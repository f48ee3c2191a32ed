package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/deploy"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/migrate"
)

// TestPages compares the twin's /metrics with the recordings: the type and help of each
// family, the labels of each series, and each value that is not a time.
func TestPages(t *testing.T) {
	lengths := request{"lengths", "/lengths", `{"text":"abc"}`}
	for _, test := range []struct {
		recording string
		flags     flags
		traffic   []request
		statuses  string
	}{
		{"default", flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8}, recordedTraffic(), "default.statuses.txt"},
		{"exponential-2-workers", flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8, Set: []string{
			"metrics.duration={min: 0.1, max: 10.0, factor: 1.2}", "workers=2",
		}}, recordedTraffic(), "default.statuses.txt"},
		{"two-services", flags{App: "two-services"}, []request{lengths, lengths, lengths}, ""},
	} {
		t.Run(test.recording, func(t *testing.T) {
			t.Parallel()
			url := host(t, test.flags)
			statuses := drive(t, url, test.traffic)
			if test.statuses != "" && statuses != file(t, test.statuses) {
				t.Errorf("statuses:\n%s", statuses)
			}
			recorded, served := file(t, test.recording+".metrics.txt"), scrape(t, url)
			if test.recording == "default" {
				drive(t, url, []request{{"livez", "/livez", ""}, {"readyz", "/readyz", ""}}) // as in the recording
				unnoticed(t, recorded, scrape(t, url))
			}
			want, got := parse(t, recorded), parse(t, served)
			for _, difference := range differences(want, got) {
				t.Error(difference)
			}
		})
	}
}

// unnoticed runs ekiben migrate-check for a move from BentoML to the twin. The results
// of dashboards and of the queries that people run must not change.
func unnoticed(t *testing.T, recorded, served string) {
	t.Helper()
	old, err1 := migrate.Parse("BentoML", []byte(recorded), "")
	twin, err2 := migrate.Parse("twin", []byte(served), "")
	dashboard, err3 := migrate.Read("dashboard.json", []byte(file(t, "dashboard.json")))
	rules, err4 := migrate.Read("rules.yaml", []byte(file(t, "rules.yaml")))
	files, err5 := deploy.Files(deploy.Options{})
	ours, err6 := migrate.Read("ours", files["grafana/dashboard.json"])
	alerts, err7 := migrate.Read("alerts", files["prometheus/rules.yml"])
	check.Must(t, errors.Join(err1, err2, err3, err4, err5, err6, err7))
	queries := slices.Concat(dashboard, rules, onlyBentoML(ours), onlyBentoML(alerts))
	report := migrate.NewReport(old, twin, queries, migrate.Options{})
	if report.Counted != 0 || report.Unchecked != 0 || report.Queries < 15 {
		var text strings.Builder
		_ = report.WriteText(&text)
		t.Errorf("%d queries:\n%s", report.Queries, text.String())
	}
}

// onlyBentoML removes the queries of metrics that BentoML does not have.
func onlyBentoML(queries []migrate.Query) []migrate.Query {
	return slices.DeleteFunc(queries, func(q migrate.Query) bool {
		return strings.Contains(q.Text, "ekiben_") || strings.Contains(q.Text, "go_")
	})
}
