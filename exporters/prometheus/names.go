package prometheus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/sdk/metric"
)

// FamilyName returns the name that an instrument has in the classic text, as
// OpenTelemetry's Prometheus exporter translates it (otlptranslator,
// UnderscoreEscapingWithSuffixes): every run of characters other than
// [a-zA-Z0-9:] is one underscore, the unit is appended, a counter ends in
// _total, a gauge of unit 1 in _ratio. Errors: a name without a legal character,
// an unknown kind.
func FamilyName(name, unit string, kind metric.InstrumentKind) (string, error) {
	var form otlptranslator.MetricType
	switch kind {
	case metric.InstrumentKindCounter, metric.InstrumentKindObservableCounter:
		form = otlptranslator.MetricTypeMonotonicCounter
	case metric.InstrumentKindUpDownCounter, metric.InstrumentKindObservableUpDownCounter:
		form = otlptranslator.MetricTypeNonMonotonicCounter
	case metric.InstrumentKindGauge, metric.InstrumentKindObservableGauge:
		form = otlptranslator.MetricTypeGauge
	case metric.InstrumentKindHistogram:
		form = otlptranslator.MetricTypeHistogram
	default:
		return "", fmt.Errorf("metric %q: kind must be one of the SDK's instrument kinds, found %d", name, kind)
	}
	return familyName(name, unit, form)
}

// familyName is FamilyName for the types of collected data, in which gauges and up-down
// counters differ.
func familyName(name, unit string, form otlptranslator.MetricType) (string, error) {
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	out, err := namer.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: form})
	if err != nil {
		return "", fmt.Errorf("metric %q: must have a letter or a digit: %w", name, err)
	}
	return out, nil
}

// LabelName returns the label name of an attribute: every run of characters other
// than [a-zA-Z0-9] is one underscore, and key_ precedes a leading digit. Errors: a
// name without a legal character, a result that begins with two underscores,
// which Prometheus reserves.
func LabelName(key string) (string, error) {
	namer := otlptranslator.LabelNamer{}
	out, err := namer.Build(key)
	if err != nil {
		return "", fmt.Errorf("label %q: must have a letter or a digit: %w", key, err)
	}
	if strings.HasPrefix(out, "__") {
		return "", fmt.Errorf("label %q: %w, found %q", key, errReservedLabel, out)
	}
	return out, nil
}

var errReservedLabel = errors.New("must not begin with two underscores")
