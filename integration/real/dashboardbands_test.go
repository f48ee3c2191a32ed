package real

import (
	"fmt"
	"math"
	"regexp"
)

// band is a series with the lowest and the highest value that it may have. NaN is
// the value of a ratio whose denominator is 0. "*" stands for each series that has
// no band of its own.
type band struct {
	series    string
	low, high float64
}

// onTraffic has the bands of each query of the dashboard, under the traffic of
// busy: 48 requests a second, not counting probes and documents.
var onTraffic = map[string][]band{
	"Requests A":                               {{`{endpoint="/encode"}`, 24, 36}, {`{endpoint="/summarize"}`, 12.8, 19}, {`{endpoint="/v1/score"}`, 1.6, 2.4}},
	"Responses A":                              {{`{http_response_code="200"}`, 20, 40}, {`{http_response_code="500"}`, 3.2, 4.8}, {`{http_response_code="503"}`, 5, 19}, {`{http_response_code="504"}`, 1.5, 2.5}},
	"Failing share A":                          {{`{endpoint="/encode"}`, 0.16, 0.65}, {`{endpoint="/summarize"}`, 0.3, 0.45}, {`{endpoint="/v1/score"}`, 0, 0}},
	"In progress A":                            {{`{endpoint="/encode"}`, 0, 20}, {`{endpoint="/summarize"}`, 2, 10}, {`{endpoint="/v1/score"}`, 0, 3}},
	"Share of the limit A":                     {{`{instance="a",runner_name="Summarization"}`, 6. / 40, 13. / 40}},
	"Since the last request A":                 {{`{}`, 0, 4}},
	"Clients that hung up A":                   {{`{}`, 1.5, 2.5}},
	"Clients that hung up B":                   {{`{}`, 2.5, 3.5}},
	"Quantiles A":                              {{`{}`, 0.0042, 0.02}},
	"Quantiles B":                              {{`{}`, 0.4, 0.46}}, // 36, 46 and 48 are below 0.25, 0.5 and 2.5
	"Quantiles C":                              {{`{}`, 2.05, 2.25}},
	"p99 by endpoint A":                        {{`{endpoint="/encode"}`, 0.01, 0.25}, {`{endpoint="/summarize"}`, 2.3, 2.45}, {`{endpoint="/v1/score"}`, 0.0045, 0.25}},
	"Durations A":                              {{`{le="+Inf"}`, 770, 1150}, {`{le="0.25"}`, 570, 920}, {`{le="0.5"}`, 730, 1110}, {`*`, 0, 1150}},
	"Requests in a batch A":                    {{`{method_name="encode"}`, 1, 4}, {`{method_name="score"}`, 1, 1.5}},
	"Items in a batch A":                       {{`{method_name="encode"}`, 2, 8}, {`{method_name="score"}`, 1, 1.5}},
	"Time in queue and in the function, p90 A": {{`{method_name="encode"}`, 0.005, 0.05}, {`{method_name="score"}`, 1e-6, 0.01}},
	"Time in queue and in the function, p90 B": {{`{method_name="encode"}`, 0.01, 0.1}, {`{method_name="score"}`, 1e-6, 0.01}},
	"Batches by reason A":                      {{`{reason="idle"}`, 8, 25}, {`*`, 0, 0}},
	"Refused A":                                {{`{reason="queue_full"}`, 5, 19}, {`*`, 0, 0}},
	"Waiting A":                                {{`{method_name="encode"}`, 0, 8}, {`{method_name="score"}`, 0, 8}},
	"Pushed A":                                 {{`{signal="metrics"}`, 50, 1000}, {`{signal="traces"}`, 20, 200}},
	"Pushes that failed A":                     {{`{reason="unreachable",signal="metrics"}`, 1.5, 2.5}, {`*`, 0, 0}},
	"Since the last push A":                    {{`{instance="a",signal="metrics"}`, 0, 4}, {`{instance="a",signal="traces"}`, 0, 12}}, // b never did
	"Memory A":                                 memory("a", "b"),
	"Goroutines A":                             {{`{instance="a"}`, 10, 1000}, {`{instance="b"}`, 5, 100}},
	"Allocations A":                            {{`{instance="a"}`, 5e5, 2e7}, {`{instance="b"}`, 1e5, 5e6}},
	"Errors of /metrics and the configuration A": {{`{instance="a"}`, 0, 0}, {`{instance="b"}`, 0, 0}},
	"Errors of /metrics and the configuration B": {{`{instance="a"}`, 0, 0}, {`{instance="b"}`, 1, 1}},
}

// onBento has the bands of a real BentoML, which gets 15 of these requests a second.
// Queries of metrics that BentoML does not have return nothing.
var onBento = map[string][]band{
	"Requests A":               {{`{endpoint="/encode"}`, 8, 12}, {`{endpoint="/summarize"}`, 2.4, 3.6}, {`{endpoint="/v1/score"}`, 1.6, 2.4}},
	"Responses A":              {{`{http_response_code="200"}`, 10, 16}, {`{http_response_code="500"}`, 1.6, 2.4}, {`*`, 0, 0.5}},
	"Failing share A":          {{`{endpoint="/encode"}`, 0, 0}, {`{endpoint="/summarize"}`, 0.55, 0.78}, {`{endpoint="/v1/score"}`, 0, 0}},
	"In progress A":            {{`{endpoint="/encode"}`, 0, 10}, {`{endpoint="/summarize"}`, 0, 5}, {`{endpoint="/v1/score"}`, 0, 5}},
	"Since the last request A": {{`{}`, 0, 4}},
	"Quantiles A":              {{`{}`, 0.001, 0.5}},
	"Quantiles B":              {{`{}`, 0.25, 1}},
	"Quantiles C":              {{`{}`, 0.25, 2.5}},
	"p99 by endpoint A":        {{`{endpoint="/encode"}`, 0.01, 1}, {`{endpoint="/summarize"}`, 0.25, 2.5}, {`{endpoint="/v1/score"}`, 0, 1}},
	"Durations A":              {{`{le="+Inf"}`, 240, 360}, {`*`, 0, 360}},
	"Requests in a batch A":    {{`{method_name="encode"}`, 1, 3}, {`{method_name="score"}`, 1, 2}},
}

// onQueues has the bands of the services whose queues are never empty. encode has
// 20 and 8 clients: 2 are in a batch of 10 ms, the others wait. summarize has 4,
// for 0.3 s each. lengths gets 10 requests a second.
var onQueues = map[string][]band{
	"Requests A":                               {{`{endpoint="/encode"}`, 200, 410}, {`{endpoint="/summarize"}`, 17, 24}, {`{endpoint="/lengths"}`, 8, 12}, {`{endpoint="/v1/score"}`, 0, 0}},
	"Responses A":                              {{`{http_response_code="200"}`, 220, 440}, {`{http_response_code="400"}`, 1.6, 2.4}, {`{http_response_code="500"}`, 5.2, 7.7}},
	"Failing share A":                          {{`{endpoint="/encode"}`, 0, 0}, {`{endpoint="/summarize"}`, 0.26, 0.38}, {`{endpoint="/lengths"}`, 0, 0}, {`{endpoint="/v1/score"}`, math.NaN(), 0}},
	"In progress A":                            {{`{endpoint="/encode"}`, 24, 28}, {`{endpoint="/summarize"}`, 3, 5}, {`{endpoint="/lengths"}`, 0, 1}, {`{endpoint="/v1/score"}`, 0, 0}},
	"Share of the limit A":                     {{`{instance="c",runner_name="Summarization"}`, 21. / 40, 23. / 40}, {`{instance="d",runner_name="Summarization"}`, 8.5 / 20, 9. / 20}, {`*`, 0, 0.1}},
	"Since the last request A":                 {{`{}`, 0, 2.5}},
	"Clients that hung up A":                   {{`{}`, 0, 0}},
	"Clients that hung up B":                   {{`{}`, 0, 0}},
	"Quantiles A":                              {{`{}`, 0.025, 0.08}}, // d's take 4 batches
	"Quantiles B":                              {{`{}`, 0.1, 0.25}},   // c's take 10
	"Quantiles C":                              {{`{}`, 0.25, 0.5}},   // summarize
	"p99 by endpoint A":                        {{`{endpoint="/encode"}`, 0.1, 0.25}, {`{endpoint="/summarize"}`, 0.49, 0.5}, {`{endpoint="/lengths"}`, 0.0485, 0.1}},
	"Durations A":                              {{`{le="+Inf"}`, 4400, 8800}, {`{le="0.005"}`, 100, 800}, {`{le="0.05"}`, 400, 4500}, {`{le="0.25"}`, 4000, 8500}, {`{le="0.5"}`, 4400, 8800}, {`*`, 100, 8800}},
	"Requests in a batch A":                    {{`{method_name="encode"}`, 1.8, 2}},
	"Items in a batch A":                       {{`{method_name="encode"}`, 3.6, 4}},
	"Time in queue and in the function, p90 A": {{`{method_name="encode"}`, 0.05, 0.25}},
	"Time in queue and in the function, p90 B": {{`{method_name="encode"}`, 0.02, 0.05}},
	"Batches by reason A":                      {{`{reason="full"}`, 100, 205}, {`{reason="idle"}`, 8, 12}, {`*`, 0, 0}},
	"Refused A":                                {{`*`, 0, 0}},
	"Waiting A":                                {{`{method_name="encode"}`, 40, 48}, {`{method_name="score"}`, 0, 0}}, // 36 and 12 items
	"Pushed A":                                 {{`{signal="metrics"}`, 240, 440}},                                    // nearly all of c and e
	"Pushes that failed A":                     {{`*`, 0, 0}},
	"Since the last push A":                    {{`{instance="c",signal="metrics"}`, 0, 2}, {`{instance="d",signal="metrics"}`, 0, 9.5}, {`{instance="e",signal="metrics"}`, 0, 2}},
	"Memory A":                                 memory("c", "d", "e"),
	"Goroutines A":                             {{`{instance="c"}`, 30, 200}, {`{instance="d"}`, 15, 100}, {`{instance="e"}`, 5, 50}},
	"Allocations A":                            {{`{instance="c"}`, 3e5, 1e7}, {`{instance="d"}`, 3e5, 1e7}, {`{instance="e"}`, 3e4, 1e7}},
	"Errors of /metrics and the configuration A": {{`{instance="f"}`, 17, 23}, {`*`, 0, 0}},
	"Errors of /metrics and the configuration B": {{`*`, 0, 0}},
}

// onStreams has the bands of two services that stream, with 100 and 400 ms between
// chunks: 13.2 and 3.3 first chunks a second, and 90 and 34 later ones.
var onStreams = map[string][]band{
	"Open streams A":            {{`{method_name="words"}`, 17, 25}, {`*`, 0, 0}},
	"Time to the first chunk A": {{`{method_name="words"}`, 0.188, 0.21}, {`*`, math.NaN(), 0}},
	"Time to the first chunk B": {{`{method_name="words"}`, 0.33, 0.44}, {`*`, math.NaN(), 0}},
	"Time between chunks A":     {{`{method_name="words"}`, 0.194, 0.215}, {`*`, math.NaN(), 0}},
	"Time between chunks B":     {{`{method_name="words"}`, 0.37, 0.44}, {`*`, math.NaN(), 0}},
	"Streams ended by reason A": {{`{reason="completed"}`, 11.5, 15}, {`{reason="error"}`, 2, 3.5}, {`*`, 0, 0}},
}

// onSlowStreams has the bands of the slower one.
var onSlowStreams = map[string][]band{
	"Open streams A":            {{`{method_name="words"}`, 10, 15}, {`*`, 0, 0}},
	"Time to the first chunk A": {{`{method_name="words"}`, 0.36, 0.39}, {`*`, math.NaN(), 0}},
	"Time to the first chunk B": {{`{method_name="words"}`, 0.46, 0.49}, {`*`, math.NaN(), 0}},
	"Time between chunks A":     {{`{method_name="words"}`, 0.36, 0.39}, {`*`, math.NaN(), 0}},
	"Time between chunks B":     {{`{method_name="words"}`, 0.46, 0.49}, {`*`, math.NaN(), 0}},
	"Streams ended by reason A": {{`{reason="completed"}`, 2.6, 4}, {`*`, 0, 0}},
}

// onTasks has the bands of two services that run tasks: one gets three a second, of
// which half fail, and the other one more than its three workers can run. They have two
// and three open sockets.
var onTasks = map[string][]band{
	"Tasks in the store A":     {{`{method_name="slowly"}`, 5, 5000}},
	"Tasks in the store B":     {{`{method_name="slowly"}`, 3, 3}},
	"Oldest task that waits A": {{`{method_name="slowly"}`, 2, 1000}},
	"Tasks ended by status A":  {{`{status="completed"}`, 6.2, 8}, {`{status="failed"}`, 1.2, 1.6}, {`*`, 0, 0}},
	"Open WebSockets A":        {{`{endpoint="/app/ws"}`, 5, 5}},
}

// onFewTasks has the bands of the one that gets few.
var onFewTasks = map[string][]band{
	"Tasks in the store A":     {{`{method_name="slowly"}`, 0, 1}},
	"Tasks in the store B":     {{`{method_name="slowly"}`, 0, 2}},
	"Oldest task that waits A": {{`{method_name="slowly"}`, 0, 1}},
	"Tasks ended by status A":  {{`{status="completed"}`, 1.2, 1.6}, {`{status="failed"}`, 1.2, 1.6}, {`*`, 0, 0}},
	"Open WebSockets A":        {{`{endpoint="/app/ws"}`, 2, 2}},
}

// memory returns the bands of the memory of each process.
func memory(instances ...string) (bands []band) {
	for _, i := range instances {
		bands = append(bands, band{fmt.Sprintf(`{go_memory_type="other",instance=%q}`, i), 2e6, 1e9}, band{fmt.Sprintf(`{go_memory_type="stack",instance=%q}`, i), 1e5, 2e6})
	}
	return bands
}

// onEndpoint has the bands of one endpoint of onQueues.
var onEndpoint = map[string][]band{
	"Requests A":        {{`{endpoint="/encode"}`, 200, 410}},
	"Responses A":       {{`{http_response_code="200"}`, 200, 410}, {`{http_response_code="500"}`, 0, 0}},
	"Failing share A":   {{`{endpoint="/encode"}`, 0, 0}},
	"In progress A":     {{`{endpoint="/encode"}`, 24, 28}},
	"Quantiles A":       {{`{}`, 0.025, 0.08}},
	"Quantiles B":       {{`{}`, 0.1, 0.25}},
	"Quantiles C":       {{`{}`, 0.1, 0.25}},
	"p99 by endpoint A": {{`{endpoint="/encode"}`, 0.1, 0.25}},
	"Durations A":       {{`{le="+Inf"}`, 4000, 8200}, {`{le="0.25"}`, 4000, 8200}, {`{le="0.005"}`, 0, 0}, {`*`, 0, 8200}},
}

// onSummarize has the bands of another endpoint of onQueues.
var onSummarize = map[string][]band{
	"Requests A":  {{`{endpoint="/summarize"}`, 17, 24}},
	"Responses A": {{`{http_response_code="200"}`, 11, 14}, {`{http_response_code="400"}`, 1.6, 2.4}, {`{http_response_code="500"}`, 5.2, 7.7}},
	"Quantiles A": {{`{}`, 0.25, 0.4}},
	"Quantiles B": {{`{}`, 0.4, 0.49}},
	"Quantiles C": {{`{}`, 0.49, 0.5}},
}

// onQuiet has the bands of a twin that got one request, at its start.
var onQuiet = map[string][]band{
	"Requests A":               {{`*`, 0, 0}},
	"Since the last request A": {{`{}`, 10, 3600}},
}

// onVersion has the bands of d alone, which is version 2.
var onVersion = map[string][]band{
	"Requests A":               {{`{endpoint="/encode"}`, 100, 205}, {`{endpoint="/summarize"}`, 6, 8.5}, {`{endpoint="/v1/score"}`, 0, 0}},
	"Responses A":              {{`{http_response_code="200"}`, 100, 210}, {`{http_response_code="400"}`, 1.6, 2.4}, {`{http_response_code="500"}`, 1.6, 2.4}},
	"Failing share A":          {{`{endpoint="/encode"}`, 0, 0}, {`{endpoint="/summarize"}`, 0.2, 0.35}, {`{endpoint="/v1/score"}`, math.NaN(), 0}},
	"In progress A":            {{`{endpoint="/encode"}`, 6, 8}, {`{endpoint="/summarize"}`, 0, 2}, {`{endpoint="/v1/score"}`, 0, 0}},
	"Share of the limit A":     {{`{instance="d",runner_name="Summarization"}`, 8.5 / 20, 9. / 20}},
	"Since the last request A": {{`{}`, 0, 2.5}},
	"Quantiles A":              {{`{}`, 0.03, 0.043}},
	"Quantiles B":              {{`{}`, 0.025, 0.1}},
	"Quantiles C":              {{`{}`, 0.25, 0.39}},
	"p99 by endpoint A":        {{`{endpoint="/encode"}`, 0.025, 0.1}, {`{endpoint="/summarize"}`, 0.49, 0.5}},
	"Durations A":              {{`{le="+Inf"}`, 2100, 4300}, {`{le="0.1"}`, 2000, 4250}, {`*`, 0, 4300}},
	"Requests in a batch A":    {{`{method_name="encode"}`, 1.9, 2}},
	"Items in a batch A":       {{`{method_name="encode"}`, 3.8, 4}},
	"Time in queue and in the function, p90 A": {{`{method_name="encode"}`, 0.02, 0.05}},
	"Time in queue and in the function, p90 B": {{`{method_name="encode"}`, 0.02, 0.05}},
	"Batches by reason A":                      {{`{reason="full"}`, 50, 103}, {`*`, 0, 0}},
	"Refused A":                                {{`*`, 0, 0}},
	"Waiting A":                                {{`{method_name="encode"}`, 8, 12}, {`{method_name="score"}`, 0, 0}},
}

// onService has the bands of e, which runs two other services. One calls the other
// and then takes 30 ms. A busy machine delays some of them beyond the next boundary.
var onService = map[string][]band{
	"Requests A":               {{`{endpoint="/encode"}`, 8, 12}, {`{endpoint="/lengths"}`, 8, 12}},
	"Responses A":              {{`{http_response_code="200"}`, 16, 24}, {`{http_response_code="500"}`, 0, 0}},
	"Failing share A":          {{`{endpoint="/encode"}`, 0, 0}, {`{endpoint="/lengths"}`, 0, 0}},
	"In progress A":            {{`{endpoint="/encode"}`, 0, 1}, {`{endpoint="/lengths"}`, 0, 1}},
	"Share of the limit A":     {{`{instance="e",runner_name="Encoder"}`, 0, 0.1}, {`{instance="e",runner_name="text_front"}`, 0, 0.1}},
	"Since the last request A": {{`{}`, 0, 2.5}},
	"Quantiles A":              {{`{}`, 0.0045, 0.0075}},
	"Quantiles B":              {{`{}`, 0.039, 0.0425}}, // encode has no 0.01 and 0.025
	"Quantiles C":              {{`{}`, 0.0485, 0.1}},
	"p99 by endpoint A":        {{`{endpoint="/encode"}`, 0.0045, 0.1}, {`{endpoint="/lengths"}`, 0.0485, 0.1}},
	"Durations A":              {{`{le="+Inf"}`, 320, 480}, {`*`, 160, 480}},
	"Requests in a batch A":    {{`{method_name="encode"}`, 1, 1}},
	"Items in a batch A":       {{`{method_name="encode"}`, 1, 1}},
	"Time in queue and in the function, p90 A": {{`{method_name="encode"}`, 0, 0.001}},
	"Time in queue and in the function, p90 B": {{`{method_name="encode"}`, 0, 0.001}},
	"Batches by reason A":                      {{`{reason="idle"}`, 8, 12}, {`*`, 0, 0}},
	"Refused A":                                {{`*`, 0, 0}},
	"Waiting A":                                {{`{method_name="encode"}`, 0, 0}},
}

// onRunner returns the bands of the service of e that calls the other one.
func onRunner() map[string][]band {
	own := map[string][]band{
		"Requests A":               {{`{endpoint="/lengths"}`, 8, 12}},
		"Responses A":              {{`{http_response_code="200"}`, 8, 12}, {`{http_response_code="500"}`, 0, 0}},
		"Failing share A":          {{`{endpoint="/lengths"}`, 0, 0}},
		"In progress A":            {{`{endpoint="/lengths"}`, 0, 1}},
		"Share of the limit A":     {{`{instance="e",runner_name="text_front"}`, 0, 0.1}},
		"Since the last request A": {{`{}`, 0, 2.5}},
		"Quantiles A":              {{`{}`, 0.036, 0.039}},
		"Quantiles B":              {{`{}`, 0.0465, 0.0485}},
		"Quantiles C":              {{`{}`, 0.0485, 0.1}},
		"p99 by endpoint A":        {{`{endpoint="/lengths"}`, 0.0485, 0.1}},
		"Durations A":              {{`{le="+Inf"}`, 160, 240}, {`{le="0.025"}`, 0, 0}, {`*`, 0, 240}},
	}
	for name, bands := range onQueues { // for whole processes: no variable selects among these series
		if regexp.MustCompile(`^(Clients that hung up|Push|Since the last push|Memory|Goroutines|Allocations|Errors)`).MatchString(name) {
			own[name] = bands
		}
	}
	return own
}
