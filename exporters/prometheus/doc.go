// Package prometheus turns what OpenTelemetry's sdk/metric collects into the
// /metrics page that BentoML writes, and into OpenMetrics 1.0 with exemplars.
//
// The page differs from OpenTelemetry's and client_golang's in what a
// dashboard sees: floats are Python's (le="1.0", 12.0), a histogram without
// boundaries is a summary, the streams of several scopes that have one name
// and type are one family, and what is broken is left out, counted and logged,
// where client_golang answers 500. It differs in cost, too: a scrape reuses
// the memory of the one before it.
//
// The path of a scrape: Collect fills a retained metricdata.ResourceMetrics
// (page.go); index.go finds the family and the rendered labels of each data
// point; encode.go writes them; serve.go is HTTP.
package prometheus
