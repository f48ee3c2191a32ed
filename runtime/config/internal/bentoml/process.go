package bentoml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// process translates the sections of the whole process. merged has the
// defaults, overridden by the entry service's section.
func (l *lifter) process(merged *tree.Node) {
	for _, section := range processWide {
		l.eachValue(section, orEmpty(merged.Get(section)), func(k key, n *tree.Node) {
			if n.Kind == tree.Null && !l.refused[n] && strings.HasPrefix(k.path, "logging.access.") { // None is false to Python
				l.set(n, k.to, false)
				return
			}
			l.put(strings.Split(k.to, "."), n)
		})
	}
	l.namespace(merged.Get("metrics").Get("namespace"))
	l.duration(orEmpty(merged.Get("metrics").Get("duration")))
	l.tls(orEmpty(merged.Get("ssl")))
	l.tracing(orEmpty(merged.Get("tracing")))
}

func orEmpty(n *tree.Node) *tree.Node {
	if n == nil {
		return &tree.Node{Kind: tree.Map}
	}
	return n
}

func given(n *tree.Node) bool { return n != nil && n.Kind != tree.Null }

// mostBoundaries is the number of exponential boundaries that BentoML makes
// before it appends max.
const mostBoundaries = 100

// duration chooses between buckets and min, max, factor, as BentoML does: all three
// together override buckets, and fewer than three are ignored.
func (l *lifter) duration(n *tree.Node) {
	const path = "metrics.duration."
	trio := []*tree.Node{n.Get("min"), n.Get("max"), n.Get("factor")}
	some := slices.ContainsFunc(trio, given)
	all := !slices.ContainsFunc(trio, func(n *tree.Node) bool { return !given(n) })
	buckets := n.Get("buckets")
	switch {
	case all:
		if given(buckets) {
			l.notice(buckets.Where, "services."+path+"buckets", "has no effect: BentoML uses min, max and factor if all three are given")
		}
		l.exponential(n, trio)
		return
	case some:
		first := trio[slices.IndexFunc(trio, given)]
		l.notice(first.Where, "services.metrics.duration", "has no effect: BentoML uses min, max and factor only if all three are given")
	}
	if given(buckets) && len(buckets.Items) > 0 { // BentoML uses its default for an empty list
		l.put([]string{"metrics", "duration", "buckets"}, buckets)
	}
}

func (l *lifter) exponential(n *tree.Node, trio []*tree.Node) {
	low, okMin := float(trio[0])
	high, okMax := float(trio[1])
	by, okFactor := float(trio[2])
	if !okMin || !okMax || !okFactor || low <= 0 || high <= low || by <= 1 {
		for i, name := range []string{"min", "max", "factor"} { // Validate reports them
			l.put([]string{"metrics", "duration", name}, trio[i])
		}
		return
	}
	last, made := low, 0
	for bound := low; bound < high && made <= mostBoundaries; bound *= by {
		if made++; made <= mostBoundaries {
			last = bound
		}
	}
	if made >= mostBoundaries { // max is appended
		l.set(trio[2], "metrics.duration.truncate", true)
	}
	if made > mostBoundaries {
		l.notice(trio[2].Where, "services.metrics.duration", fmt.Sprintf(
			"BentoML makes only %d of these boundaries: one bucket covers everything from %g to %s", mostBoundaries, last, trio[1].Text))
	}
	for i, name := range []string{"min", "max", "factor"} {
		l.put([]string{"metrics", "duration", name}, trio[i])
	}
}

// tls enables TLS if there is a certificate, even if ssl.enabled is false, as in
// BentoML.
func (l *lifter) tls(n *tree.Node) {
	cert, enabled := n.Get("certfile"), n.Get("enabled")
	if !given(cert) || cert.Value == "" || enabled != nil && enabled.Value == true {
		return
	}
	l.notice(cert.Where, "services.ssl.certfile", "enables TLS as in BentoML, although ssl.enabled is not true")
	l.put([]string{"ssl", "enabled"}, &tree.Node{Kind: tree.Scalar, Where: cert.Where, Value: true, Text: "true"})
}

// tracing translates the exporter. Only OTLP is supported.
func (l *lifter) tracing(n *tree.Node) {
	const path = "services.tracing."
	exporter, otlp := n.Get("exporter_type"), orEmpty(n.Get("otlp"))
	if !given(exporter) {
		return
	}
	if kind, _ := exporter.Value.(string); !strings.EqualFold(kind, "otlp") {
		l.notice(exporter.Where, path+"exporter_type", "has no effect: spans are sent by OTLP, not by "+exporter.Text)
		return
	}
	protocol := otlp.Get("protocol")
	name := ""
	if given(protocol) {
		name = strings.ToLower(protocol.Text)
	}
	if l.refused[protocol] {
		return
	}
	if name == "" {
		l.Problems = append(l.Problems, &tree.Problem{Where: exporter.Where, Key: path + "otlp.protocol", Text: "must be given, grpc or http, since exporter_type is otlp"})
		return
	}
	l.set(exporter, "tracing.enabled", true)
	l.set(exporter, "otlp.traces.enabled", true)
	if name == "http" {
		name = "http/protobuf"
		for _, e := range orEmpty(orEmpty(otlp.Get("http")).Get("headers")).Entries {
			l.put([]string{"otlp", "traces", "headers", e.Key}, e.Value)
		}
	} else {
		l.pairs(orEmpty(orEmpty(otlp.Get("grpc")).Get("headers")))
	}
	l.set(protocol, "otlp.traces.protocol", name)
	if compression := otlp.Get("compression"); given(compression) {
		if compression.Text == "deflate" {
			l.notice(compression.Where, path+"otlp.compression", "has no effect: must be gzip or none")
			return
		}
		l.put([]string{"otlp", "traces", "compression"}, compression)
	}
}

// pairs reads BentoML's headers for grpc: [[name, value], …].
func (l *lifter) pairs(n *tree.Node) {
	for _, pair := range n.Items {
		if pair.Kind != tree.List || len(pair.Items) != 2 {
			l.refuse(pair, "services.tracing.otlp.grpc.headers", "a list of pairs [name, value]")
			return
		}
		l.put([]string{"otlp", "traces", "headers", pair.Items[0].Text}, pair.Items[1])
	}
}

func (l *lifter) set(at *tree.Node, key string, value any) {
	l.put(strings.Split(key, "."), &tree.Node{Kind: tree.Scalar, Where: at.Where, Value: value, Text: fmt.Sprint(value)})
}
