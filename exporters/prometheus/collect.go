package prometheus

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// scratch is the memory of a collection, which the next one reuses: the points,
// the index with the rendered labels, and the encoder.
type scratch struct {
	points metricdata.ResourceMetrics
	mark   *resource.Resource // shows whether Collect has filled points
	index  index
	enc    encoder
	zip    *gzip.Writer
}

// take returns the retained scratch, or a new one if another collection uses that. Only
// one is retained, because scrapes share a collection and Gather is rare.
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

// give retains s for the next take, unless another scratch is retained.
func (e *Exporter) give(s *scratch) {
	select {
	case e.free <- s:
	default:
	}
}

// render collects once. Then it calls claim, and encodes each variant that claim
// returns. ctx bounds the callbacks of observable instruments.
func (e *Exporter) render(ctx context.Context, claim func() []variant) (bodies map[variant]*body, err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		if p := recover(); p != nil {
			err = fmt.Errorf("exporters/prometheus: panic: %v", p)
		} else {
			err = errExit
		}
		bodies = nil
		e.report.add(1, err.Error())
	}()
	bodies, err = e.renderAll(ctx, claim)
	finished = true
	return bodies, err
}

// renderAll collects and encodes. claim is called after the collection, so that scrapes
// can join while callbacks run.
func (e *Exporter) renderAll(ctx context.Context, claim func() []variant) (map[variant]*body, error) {
	s := e.take()
	if err := e.collect(ctx, s); err != nil {
		e.give(s)
		return nil, err
	}
	bodies := map[variant]*body{}
	for _, v := range claim() {
		b := &body{store: &e.shared.store}
		if err := s.encode(b, v); err != nil {
			return nil, fmt.Errorf("exporters/prometheus: encode: %w", err)
		}
		bodies[v] = b
	}
	e.give(s) // not after a panic, because s may be half filled
	return bodies, nil
}

// encode writes the collected metrics to w.
func (s *scratch) encode(w io.Writer, v variant) error {
	if !v.gzip {
		return s.enc.encode(w, &s.index, v.format)
	}
	if s.zip == nil {
		s.zip = gzip.NewWriter(w)
	}
	s.zip.Reset(w)
	defer s.zip.Reset(io.Discard) // keep no reference to w
	if err := s.enc.encode(s.zip, &s.index, v.format); err != nil {
		return err
	}
	return s.zip.Close()
}

// collect fills s. It reports the errors of single callbacks, and returns an
// error only if the collection failed as a whole. In that case the SDK
// leaves the points of an earlier collection in place; the mark shows this.
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

// addTargetInfo appends the family target_info. The slice does not grow with each
// scrape, because Collect resets its length.
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
