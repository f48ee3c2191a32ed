package views

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
)

// DefaultNamespace is the prefix of BentoML's metric families.
const DefaultNamespace = "bentoml_service"

// Config is the part of the configuration key metrics that names the default
// metrics and chooses their boundaries. The zero value has BentoML's defaults.
type Config struct {
	// Namespace is the prefix of the default metrics, without the underscore that
	// follows it; see LegalNamespace. Default and meaning of "": bentoml_service.
	Namespace string `koanf:"namespace" doc:"Prefix of the default metrics, without the underscore after it. Empty: bentoml_service. Characters that Prometheus does not allow in a name are replaced, as in BentoML, and a warning is logged. Unlike in BentoML, the result must begin with a letter, and must not have two underscores in a row or one at its end."`
	// Duration chooses the boundaries of request_duration_seconds. Default and
	// meaning of the zero value: DefaultDurationBoundaries.
	Duration Duration `koanf:"duration" doc:"Boundaries of request_duration_seconds: a list, or min, max and factor. Not given: BentoML's boundaries, 0.005 to 180."`
	// SLO are durations in seconds that become boundaries in addition to those of
	// Duration. Default: none.
	SLO []float64 `koanf:"slo" unit:"seconds" doc:"Service-level objectives: durations that become boundaries in addition to the others: [0.3, 1]."`
	// Endpoints overrides Duration and SLO for single endpoints, by route:
	// "/summarize". A field that an entry does not set keeps the general value.
	Endpoints map[string]Endpoint `koanf:"endpoints" key:"ROUTE" doc:"duration and slo of single endpoints, by route. They override the keys above: {/encode: {slo: [0.05]}}."`
}

// Duration is a list of boundaries in seconds, or the three arguments of
// [Exponential]. Nil means not given. Both forms together, or only some of the
// three arguments, are an error. The zero value is
// [DefaultDurationBoundaries].
type Duration struct {
	Buckets []float64 `koanf:"buckets" unit:"seconds" instead:"min,max,factor" doc:"Boundaries as a list: [0.1, 0.5, 1]."`
	Min     *float64  `koanf:"min" unit:"seconds" instead:"buckets" doc:"Smallest of the exponential boundaries."`
	Max     *float64  `koanf:"max" unit:"seconds" instead:"buckets" doc:"Largest of the exponential boundaries."`
	// Truncate cuts an exponential list off after MaxBoundaries and appends max, as
	// BentoML does. Default false: such a list is an error.
	Truncate bool `koanf:"truncate" doc:"Cut exponential boundaries off after 100 and append max, as BentoML does, which leaves one huge bucket. False: more than 100 are refused."`
	// Native records durations also as native (exponential) histograms. It applies
	// to all endpoints, so it is an error in Endpoint. Default: false.
	Native bool     `koanf:"native" doc:"Record durations as native histograms too. Prometheus 3 reads them with scrape_native_histograms. OTLP sends them instead of the boundaries. It applies to all endpoints, so it cannot be set below metrics.endpoints."`
	Factor *float64 `koanf:"factor" instead:"buckets" doc:"Each exponential boundary is the previous one times factor. Greater than 1."`
}

// Endpoint is the part of [Config] that single routes override.
type Endpoint struct {
	Duration Duration  `koanf:"duration" doc:"Over metrics.duration."`
	SLO      []float64 `koanf:"slo" unit:"seconds" doc:"Over metrics.slo."`
}

// Validate returns all errors of c, joined. Each begins with its key:
// "duration.factor: must be greater than 1, found 0.9".
func (c Config) Validate() error {
	_, err := c.resolve()
	return err
}

// Boundaries returns the boundaries of request_duration_seconds for an endpoint, in
// seconds, with the objectives. "" means any endpoint without an entry in Endpoints.
// Errors: those of [Config.Validate].
func (c Config) Boundaries(endpoint string) ([]float64, error) {
	b, err := c.resolve()
	if err != nil {
		return nil, err
	}
	return b.of(endpoint), nil
}

// boundaries are the boundaries of a Config: the general ones, and those of single
// endpoints.
type boundaries struct {
	namespace string
	native    bool
	general   []float64
	endpoints map[string][]float64
}

// all returns the boundaries of all endpoints together, sorted.
func (b boundaries) all() []float64 {
	all := slices.Clone(b.general)
	for _, own := range b.endpoints {
		all = append(all, own...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (b boundaries) of(endpoint string) []float64 {
	if own, ok := b.endpoints[endpoint]; ok {
		return own
	}
	return b.general
}

func (c Config) resolve() (boundaries, error) {
	namespace, err := LegalNamespace(c.Namespace)
	general, wrong, wrongSLO := boundariesOf(c.Duration, c.SLO)
	errs := []error{under("namespace", err), wrong, wrongSLO}
	resolved := boundaries{namespace: namespace, native: c.Duration.Native, general: general, endpoints: map[string][]float64{}}
	for _, route := range slices.Sorted(maps.Keys(c.Endpoints)) {
		key := "endpoints." + route
		if !strings.HasPrefix(route, "/") {
			errs = append(errs, at(key, "must be a route that starts with a slash, such as /%s", route))
			continue
		}
		own := c.Endpoints[route]
		if own.Duration.Native {
			errs = append(errs, at(key+".duration.native", "must be given as duration.native, for all endpoints"))
		}
		ownDuration, ownSLO := own.Duration.given(), own.SLO != nil
		if !ownDuration {
			own.Duration = c.Duration
		}
		if !ownSLO {
			own.SLO = c.SLO
		}
		bounds, err, errSLO := boundariesOf(own.Duration, own.SLO)
		if ownDuration {
			errs = append(errs, under(key, err))
		}
		if ownSLO || ownDuration && wrongSLO == nil { // else the error is reported above
			errs = append(errs, under(key, errSLO))
		}
		resolved.endpoints[route] = bounds
	}
	return resolved, errors.Join(errs...)
}

func (d Duration) given() bool {
	return d.Buckets != nil || d.Min != nil || d.Max != nil || d.Factor != nil
}

// boundariesOf returns the boundaries of d with the objectives slo among them,
// and the errors of each.
func boundariesOf(d Duration, slo []float64) (bounds []float64, wrong, wrongSLO error) {
	bounds, wrong = d.Boundaries()
	if wrong != nil {
		bounds = nil // slo is still checked, to report all errors at once
	}
	if len(slo) > 0 {
		bounds, wrongSLO = WithObjectives(bounds, slo)
	}
	return bounds, under("duration", wrong), under("slo", wrongSLO)
}

// Boundaries returns the boundaries of d in seconds: its list, its exponential
// list, or the default. Errors: those of [CheckBoundaries] and [Exponential], and
// a mixture of both forms.
func (d Duration) Boundaries() ([]float64, error) {
	trio := []struct {
		key   string
		value *float64
	}{{"min", d.Min}, {"max", d.Max}, {"factor", d.Factor}}
	var given, missing []string
	for _, part := range trio {
		if part.value == nil {
			missing = append(missing, part.key)
		} else {
			given = append(given, fmt.Sprintf("%s: %s", part.key, number(*part.value)))
		}
	}
	switch {
	case d.Buckets != nil && len(given) > 0:
		return nil, at("buckets", "give either buckets or min, max and factor, found buckets: %v and %s", d.Buckets, strings.Join(given, ", "))
	case d.Buckets != nil:
		bounds, err := CheckBoundaries(d.Buckets)
		return bounds, under("buckets", err)
	case len(given) == 0:
		return DefaultDurationBoundaries(), nil
	case len(missing) > 0:
		return nil, at(missing[0], "min, max and factor belong together, found only %s", strings.Join(given, ", "))
	}
	bounds, err := Exponential(*d.Min, *d.Max, *d.Factor)
	if tooMany := (*tooManyError)(nil); errors.As(err, &tooMany) && d.Truncate {
		return truncated(*d.Min, *d.Max, *d.Factor), nil
	}
	return bounds, err
}

// LegalNamespace returns namespace with each character that is illegal in a metric
// name replaced by an underscore, as BentoML does: "my-ns.v2" becomes "my_ns_v2".
// Letters, digits, underscores and colons stay. "" becomes [DefaultNamespace].
//
// Unlike in BentoML, the result must begin with a letter, and must not have two
// underscores in a row or one at its end: translating OpenTelemetry names to Prometheus
// names would change it, and /metrics and OTLP would differ. The error suggests a valid
// namespace.
func LegalNamespace(namespace string) (string, error) {
	if namespace == "" {
		return DefaultNamespace, nil
	}
	legal := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == ':':
			return r
		}
		return '_'
	}, namespace)
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	const probe = "_request_duration_seconds"
	name, err := namer.Build(otlptranslator.Metric{Name: legal + probe, Unit: "s", Type: otlptranslator.MetricTypeHistogram})
	stable := strings.TrimSuffix(name, probe)
	if err != nil || stable != legal || !isLetter(legal[0]) {
		return "", fmt.Errorf("must begin with a letter and hold letters, digits, colons and single underscores, found %q; %q would do",
			namespace, suggestion(legal))
	}
	return legal, nil
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// suggestion returns a namespace close to legal that needs no translation.
func suggestion(legal string) string {
	parts := strings.FieldsFunc(legal, func(r rune) bool { return r == '_' })
	name := strings.TrimLeft(strings.Join(parts, "_"), "0123456789_:")
	if name == "" {
		return DefaultNamespace
	}
	return name
}
