package otlp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// When the context of NewTraceExporter ends, the export in progress is cancelled
// and later ones fail.
func TestSpansEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &scripted{takes: 5 * time.Second}
		defer Register(Protocol{Name: "scripted", Endpoint: "http://x", Dial: func(Target) (Transport, error) { return to, nil }})()
		ctx, cancel := context.WithCancel(t.Context())
		stats := &Stats{}
		exporter := check.Value(NewTraceExporter(ctx, Settings{Config: Config{Protocol: "scripted"}, Stats: stats}))(t)
		spans := tracetest.SpanStubs{{Name: "a"}, {Name: "b"}}.Snapshots()
		time.AfterFunc(6*time.Second, cancel)
		begun := time.Now()
		for i, want := range []time.Duration{5 * time.Second, 6 * time.Second, 6 * time.Second} {
			if err := exporter.ExportSpans(t.Context(), spans); err != nil {
				t.Errorf("the SDK would pass to its global handler: %v", err)
			}
			if took := time.Since(begun); took != want {
				t.Errorf("export %d ended after %s, want %s", i, took, want)
			}
		}
		if stats.Exported() != 2 || stats.Failures(ReasonTimeout) != 2 {
			t.Errorf("%d exported, %d timeouts", stats.Exported(), stats.Failures(ReasonTimeout))
		}
		check.OK(t, exporter.Shutdown(t.Context()))
		if err := exporter.ExportSpans(t.Context(), spans); err != nil || stats.Failures(ReasonInternal) != 1 {
			t.Errorf("%v after Shutdown, %d failures", err, stats.Failures(ReasonInternal))
		}
	})
}
