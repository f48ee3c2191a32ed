package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The metrics have the names, units and boundaries of the conventions.
func TestGenAIBoundaries(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.Conventions = []string{"gen_ai"} }))
	r.endpoints()
	r.GenAI().Record(t.Context(), Generation{GenAIModel: GenAIModel{Model: "a\xff"}, Input: 2, Output: 3, Took: 3 * time.Second, First: time.Second})
	exposition := r.scrape()
	for family, want := range map[string]string{
		"gen_ai_server_request_duration_seconds":      "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92 +Inf ",
		"gen_ai_server_time_to_first_token_seconds":   "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 +Inf ",
		"gen_ai_server_time_per_output_token_seconds": "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0 2.5 +Inf ",
		"gen_ai_client_token_usage":                   "1.0 4.0 16.0 64.0 256.0 1024.0 4096.0 16384.0 65536.0 262144.0 1.048576e+06 4.194304e+06 1.6777216e+07 6.7108864e+07 +Inf ",
	} {
		bounds := ""
		for line := range strings.Lines(matching(exposition, family+"_bucket", `request_model="a`+"\uFFFD")) {
			if strings.Contains(line, `token_type="output"`) {
				continue
			}
			_, rest, _ := strings.Cut(line, `le="`)
			bound, _, _ := strings.Cut(rest, `"`)
			bounds += bound + " "
		}
		same(t, family, bounds, want)
	}
}

// A client cannot create series with invented models.
func TestGenAIModelsAreBounded(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.Conventions = []string{"gen_ai"} }))
	r.endpoints()
	g := r.GenAI()
	for i := range mostModels + 10 {
		g.Record(t.Context(), Generation{GenAIModel: GenAIModel{Model: fmt.Sprint("model", i)}, First: -1})
	}
	g.Record(t.Context(), Generation{GenAIModel: GenAIModel{Model: "model7"}, First: -1})
	counts := matching(r.scrape(), "duration_seconds_count")
	if n := strings.Count(counts, "\n"); n != mostModels+1 {
		t.Errorf("%d series", n)
	}
	same(t, "further", matching(counts, `"_OTHER"`), `gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="_OTHER",gen_ai_provider_name="_OTHER",gen_ai_request_model="_OTHER"} 10.0`+"\n")
	same(t, "known", matching(counts, `"model7"`), `gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="ekiben",gen_ai_request_model="model7"} 2.0`+"\n")
	long := strings.Repeat("x", mostModelName+1)
	same(t, "long", legalName(long, ""), other)
	if n := testing.AllocsPerRun(100, func() {
		g.Record(t.Context(), Generation{GenAIModel: GenAIModel{Model: "model7"}, Input: 1, Output: 9, First: time.Second, Took: 2 * time.Second})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
