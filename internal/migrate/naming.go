package migrate

import (
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

// groupings describes how the expressions around a selector use its series.
type groupings struct {
	labels  []string // labels that they name
	counts  []count  // aggregations that count series, the outermost first
	present bool     // the next expression only needs to know whether a series exists
}

func (g groupings) with(labels ...string) groupings {
	return groupings{labels: slices.Concat(g.labels, labels), counts: g.counts}
}

// sides returns the groupings of both operands of an operator. group_left names
// labels of the right operand, and group_right labels of the left one.
func (g groupings) sides(m *parser.VectorMatching) (left, right groupings) {
	if m == nil {
		return g.with(), g.with()
	}
	var on []string
	if m.On {
		on = m.MatchingLabels
	}
	left, right = g.with(on...), g.with(on...)
	switch m.Card {
	case parser.CardManyToOne:
		right = right.with(m.Include...)
	case parser.CardOneToMany:
		left = left.with(m.Include...)
	}
	return left, right
}

// sources returns the labels that label_replace and label_join read.
func sources(n *parser.Call) []string {
	var args parser.Expressions
	switch n.Func.Name {
	case "label_replace":
		args = n.Args[3:4]
	case "label_join":
		args = n.Args[3:]
	}
	var labels []string
	for _, arg := range args {
		for paren, ok := arg.(*parser.ParenExpr); ok; paren, ok = arg.(*parser.ParenExpr) {
			arg = paren.Expr
		}
		if text, ok := arg.(*parser.StringLiteral); ok {
			labels = append(labels, text.Val)
		}
	}
	return labels
}

// namedBy returns the labels that a node names.
func namedBy(node parser.Node) []string {
	var labels []string
	switch n := node.(type) {
	case *parser.VectorSelector:
		for _, m := range n.LabelMatchers {
			labels = append(labels, m.Name)
		}
	case *parser.AggregateExpr:
		labels = n.Grouping
	case *parser.BinaryExpr:
		if n.VectorMatching != nil {
			labels = slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include)
		}
	case *parser.Call:
		labels = sources(n)
	}
	return labels
}
