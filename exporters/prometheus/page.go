package prometheus

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// scratch is what a scrape needs and the next one can use again: the points
// that Collect fills, the index with its rendered labels, the bytes.
type scratch struct {
	points metricdata.ResourceMetrics
	mark   *resource.Resource
	index  index
	enc    encoder
}

// take returns the retained scratch, or a new one if a scrape that is still
// being read holds it: nobody waits for somebody else's slow reader.
func (e *Exporter) take() *scratch {
	select {
	case s := <-e.free:
		return s
	default:
		return &scratch{
			mark:  new(resource.Resource),
			index: newIndex(&e.catalogue, &e.report, e.cfg.ScopeLabels),
		}
	}
}

// give retains s unless another one is retained already.
func (e *Exporter) give(s *scratch) {
	select {
	case e.free <- s:
	default:
	}
}

// WritePage collects and writes the page to w, as OpenMetrics 1.0 if open is set (whatever the Config says) and as classic text otherwise.
// What is broken in one family costs that family and is no error. ctx bounds
// the callbacks of observables. An error is one of collecting, with nothing
// written, or w's, with the page cut off.
func (e *Exporter) WritePage(ctx context.Context, w io.Writer, open bool) error {
	s := e.take()
	defer e.give(s)
	if err := e.collect(ctx, s); err != nil {
		return err
	}
	as := classic
	if open {
		as = openMetrics
	}
	return s.enc.page(w, &s.index, as)
}

// collect fills s. An error of one callback leaves what the others gave, and
// is reported; it returns an error if there is nothing to serve. The SDK does
// not touch the points when it fails as a whole, and they are those of an
// earlier scrape: the mark tells.
func (e *Exporter) collect(ctx context.Context, s *scratch) error {
	s.points.Resource = s.mark
	err := e.Collect(ctx, &s.points)
	if s.points.Resource == s.mark {
		if err == nil {
			err = errNothing
		}
		n := int64(1)
		if collectStatus(err) == http.StatusServiceUnavailable {
			n = 0
		}
		e.report.add(n, "collect: "+err.Error())
		return fmt.Errorf("exporters/prometheus: collect: %w", err)
	}
	if err != nil {
		e.report.add(leaves(err), "collect: "+err.Error())
	}
	if e.cfg.TargetInfo {
		s.addTargetInfo()
	}
	s.index.update(&s.points)
	return nil
}

// addTargetInfo appends the family target_info. The slice is cut to what
// Collect returned first at every scrape, so that it does not grow.
func (s *scratch) addTargetInfo() {
	s.points.ScopeMetrics = append(s.points.ScopeMetrics, metricdata.ScopeMetrics{
		Metrics: []metricdata.Metrics{{
			Name:        "target_info",
			Description: "Target metadata",
			Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{
				Attributes: *s.points.Resource.Set(), Value: 1,
			}}},
		}},
	})
}
