package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

type bucketsCommand struct {
	Min       *float64  `help:"Smallest of exponential boundaries, in seconds." placeholder:"SECONDS"`
	Max       *float64  `help:"Largest of exponential boundaries, in seconds." placeholder:"SECONDS"`
	Factor    *float64  `help:"Ratio of each boundary to the one before it." placeholder:"FACTOR"`
	Buckets   []float64 `help:"Boundaries as a list, in seconds: 0.1,0.5,1" placeholder:"SECONDS,…"`
	SLO       []float64 `name:"slo" help:"Additional boundaries, in seconds." placeholder:"SECONDS,…"`
	From      string    `help:"Show how the latencies observed at this /metrics would fall into the boundaries." placeholder:"URL"`
	Namespace string    `help:"Namespace of the metrics at --from." default:"bentoml_service"`
	Endpoint  string    `help:"Count only this endpoint at --from: /summarize. Default: all." placeholder:"ROUTE"`
	Output    string    `help:"text or json." enum:"text,json" default:"text"`
}

// Help shows how the command is used.
func (bucketsCommand) Help() string {
	return `Give --min, --max and --factor, or --buckets, as under metrics.duration. Without them it shows BentoML's default. Boundaries are written as BentoML writes them in /metrics.

Examples:
  ekiben buckets --min 0.1 --max 10 --factor 1.2
  ekiben buckets --buckets 0.1,0.5,1 --slo 0.3
  ekiben buckets --slo 0.3 --output json
  ekiben buckets --min 0.01 --max 10 --factor 2 --from http://localhost:3000/metrics`
}

// boundaries is the JSON form of the result.
type boundaries struct {
	Boundaries []string `json:"boundaries"`
	// Series is the number of series of the histogram for each endpoint and status.
	Series   int       `json:"series"`
	Observed *observed `json:"observed,omitempty"`
}

type observed struct {
	Requests float64  `json:"requests"`
	Buckets  []bucket `json:"buckets"`
}

type bucket struct {
	Le string `json:"le"`
	// Requests is the estimated number of requests in this bucket alone.
	Requests float64 `json:"requests"`
	Share    float64 `json:"share"`
}

// Run computes the boundaries and prints them.
func (c bucketsCommand) Run(ctx context.Context, t terminal) error {
	bounds, err := c.boundaries()
	if err != nil {
		return usageError{ofFlags(err)}
	}
	result := boundaries{Series: len(bounds) + 3}
	for _, b := range bounds {
		result.Boundaries = append(result.Boundaries, prometheus.FormatFloat(b))
	}
	if c.From != "" {
		if result.Observed, err = c.observe(ctx, bounds); err != nil {
			return usageError{err}
		}
	}
	if c.Output == "json" {
		return writeJSON(t.stdout, result)
	}
	return result.print(t.stdout)
}

func (c bucketsCommand) boundaries() ([]float64, error) {
	duration := views.Duration{Buckets: c.Buckets, Min: c.Min, Max: c.Max, Factor: c.Factor}
	return views.Config{Duration: duration, SLO: c.SLO}.Boundaries("")
}

// ofFlags replaces keys in errors by the flags for them.
func ofFlags(err error) error {
	var all []error
	for _, one := range config.Problems(err) {
		all = append(all, errors.New("--"+strings.TrimPrefix(one.Error(), "duration.")))
	}
	return errors.Join(all...)
}

func (b boundaries) print(w io.Writer) error {
	counted := fmt.Sprintf("%d boundaries", len(b.Boundaries))
	if len(b.Boundaries) == 1 {
		counted = "1 boundary"
	}
	_, err := fmt.Fprintf(w, "%s\n\n%s, %d series for each endpoint and status: their buckets, +Inf, _sum and _count\n",
		strings.Join(b.Boundaries, " "), counted, b.Series)
	if err != nil || b.Observed == nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%.0f requests observed; estimated as spread evenly within the buckets of /metrics:\n\n", b.Observed.Requests)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(table, "le\trequests\tshare\t\n")
	for _, row := range b.Observed.Buckets {
		_, _ = fmt.Fprintf(table, "%s\t%.1f\t%.1f%%\t\n", row.Le, row.Requests, 100*row.Share)
	}
	return table.Flush()
}

// fetchTimeout bounds the request to --from.
const fetchTimeout = 10 * time.Second

// observe reads metrics and distributes the counts of the duration histogram over
// bounds.
func (c bucketsCommand) observe(ctx context.Context, bounds []float64) (*observed, error) {
	family, err := c.fetch(ctx, c.Namespace+"_"+views.RequestDuration)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	var all *observed
	for _, m := range family.GetMetric() {
		if c.Endpoint != "" && labelOf(m, "endpoint") != c.Endpoint {
			continue
		}
		seen := map[float64]float64{} // cumulative counts by boundary; series can have different boundaries
		for _, b := range m.GetHistogram().GetBucket() {
			seen[b.GetUpperBound()] = float64(b.GetCumulativeCount())
		}
		if len(seen) > 0 {
			all = all.plus(spread(seen, bounds))
		}
	}
	if all == nil {
		return nil, fmt.Errorf("--from: no observations of endpoint %q", c.Endpoint)
	}
	return all, nil
}

// plus adds the requests of another series in the same buckets.
func (o *observed) plus(other *observed) *observed {
	if o == nil {
		return other
	}
	o.Requests += other.Requests
	for i := range o.Buckets {
		o.Buckets[i].Requests += other.Buckets[i].Requests
		if o.Requests > 0 {
			o.Buckets[i].Share = o.Buckets[i].Requests / o.Requests
		}
	}
	return o
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (c bucketsCommand) fetch(ctx context.Context, name string) (*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if !strings.HasPrefix(c.From, "http://") && !strings.HasPrefix(c.From, "https://") {
		return nil, fmt.Errorf("must be a URL, such as http://localhost:3000/metrics, found %s", c.From)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.From, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("must respond with 200, found %s", response.Status)
	}
	families, err := familiesOf(response.Body, maxInput)
	if err != nil {
		return nil, err
	}
	family, ok := families[name]
	if !ok || family.GetType() != dto.MetricType_HISTOGRAM {
		return nil, fmt.Errorf("has no histogram %s", name)
	}
	return family, nil
}

// spread distributes cumulative counts by old boundaries over new ones, linearly
// within each old bucket, as histogram_quantile does. Requests above the last finite
// old boundary are counted in +Inf, since they can be anywhere above it.
func spread(seen map[float64]float64, bounds []float64) *observed {
	old := make([]float64, 0, len(seen))
	for le := range seen {
		old = append(old, le)
	}
	sort.Float64s(old)
	total := seen[old[len(old)-1]]
	below := func(x float64) float64 {
		lower, counted := 0.0, 0.0
		for _, le := range old {
			switch {
			case x >= le:
				lower, counted = le, seen[le]
				continue
			case math.IsInf(le, 1) || x <= lower:
				return counted
			}
			return counted + (seen[le]-counted)*(x-lower)/(le-lower)
		}
		return counted
	}
	result := &observed{Requests: total}
	before := 0.0
	for _, bound := range append(bounds[:len(bounds):len(bounds)], math.Inf(1)) {
		now := total
		if !math.IsInf(bound, 1) {
			now = below(bound)
		}
		row := bucket{Le: prometheus.FormatFloat(bound), Requests: now - before}
		if total > 0 {
			row.Share = row.Requests / total
		}
		result.Buckets = append(result.Buckets, row)
		before = now
	}
	return result
}

// familiesOf parses metrics of at most most bytes. It refuses more, since the rest
// would be missing from the counts.
func familiesOf(body io.ReadCloser, most int64) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(http.MaxBytesReader(nil, body, most))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, fmt.Errorf("must be %d MB at most, found more", most>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("must be Prometheus text format: %w", err)
	}
	return families, nil
}
