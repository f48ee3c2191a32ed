package migrate

import (
	"errors"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Query is a PromQL query of a dashboard, a rule or an autoscaler.
type Query struct {
	Where string // file › dashboard › panel, or file:line › namespace › group › rule
	Text  string
	// Label is the label of label_values(selector, label), of which Text is the
	// selector. Default: none.
	Label string
	// Record is the name of the series that a recording rule makes of the query.
	// Default: none.
	Record string
	// Skip is the reason why the query needs no check, such as another language.
	Skip string
	// Unreadable is the reason why the query cannot be checked.
	Unreadable string

	doubtful     bool                       // skipped although Text may be a query of our metrics
	unread       bool                       // Text is of a field that is not read; see unread.go
	variables    *variables                 // of the dashboard
	filters      filters                    // of the dashboard
	matchers     []string                   // that filters add to each selector
	operands     []string                   // variables without a value that are operands
	adapter      *adapterRule               // whose series query this is
	scaledObject string                     // of KEDA, with this query
	expand       func(c checking) [][]Query // instead of Text; see readings
}

// Finding is a difference in the result of a query.
type Finding struct {
	Where    string   `json:"where"`
	Query    string   `json:"query"`
	Selector string   `json:"selector,omitempty"`
	Text     string   `json:"text"`
	Old      int      `json:"old"` // series that it selects of the old metrics
	New      int      `json:"new"`
	Lost     []string `json:"lost,omitempty"`
	Gained   []string `json:"gained,omitempty"`
	// Because is the reason why the finding does not count. "": it counts, or
	// Unchecked is true.
	Because string `json:"because,omitempty"`
	// Unchecked reports that the query could not be checked.
	Unchecked bool `json:"unchecked,omitempty"`

	about string // equal for two findings that differ only by ignored labels
}

func (f Finding) counts() bool { return f.Because == "" && !f.Unchecked }

// Words in place of a dashboard's variables without a known value. anything is a
// label or the value of a label, operand a number or a metric, operator a binary
// operator, function a function or an aggregation.
const (
	anything = "ekiben_anything"
	operand  = "ekiben_operand"
	operator = "ekiben_operator"
	function = "ekiben_function"
)

// readings returns the queries that q stands for, in groups. A later query of a
// group is a special case of the first one.
func (q Query) readings(c checking) [][]Query {
	switch {
	case q.Skip != "" || q.Unreadable != "":
		return [][]Query{{q}}
	case q.expand != nil:
		return q.expand(c)
	case q.variables != nil:
		return q.variables.expand(q)
	}
	return [][]Query{{q}}
}

// shownQuery is a query with $… in place of variables without a value.
func shownQuery(text string) string {
	return strings.NewReplacer(anything+`="`+anything+`"`, "$…", anything, "$…", operand, "$…", operator, "$…", function, "$…").Replace(text)
}

// parse reads a query. metric reports that a variable without a value can be a
// metric, so it is unknown which series the query selects.
func parse(text string) (expr parser.Expr, metric bool, err error) {
	p := parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	for _, is := range operandsOf(text) {
		for candidate := range candidates(text, is) {
			found, candidateErr := p.ParseExpr(candidate)
			if candidateErr == nil {
				expr, metric = found, is == anything
				break
			}
			if err == nil {
				err = candidateErr
			}
		}
	}
	if expr != nil {
		return expr, metric, nil
	}
	return nil, false, describe(text, err)
}

// describe explains why text is not PromQL.
func describe(text string, err error) error {
	if _, metricsErr := metricsql.Parse(text); metricsErr == nil && !strings.Contains(text, "ekiben_") {
		return errors.New("is MetricsQL, which only VictoriaMetrics reads, not PromQL: " + strings.TrimSpace(err.Error()))
	}
	return errors.New("must be PromQL: " + strings.TrimSpace(err.Error()))
}

// exportedLabels returns the labels that a query names with the prefix exported_,
// without the prefix.
func exportedLabels(expr parser.Expr) map[string]bool {
	hidden := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		for _, name := range namedBy(node) {
			if label, ok := strings.CutPrefix(name, "exported_"); ok {
				hidden[label] = true
			}
		}
		return nil
	})
	return hidden
}
