package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// ruleFile is a file of Prometheus', or an operator's PrometheusRule.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
	Spec   struct {
		Groups []ruleGroup `yaml:"groups"`
	} `yaml:"spec"`
}

type ruleGroup struct {
	Name  string `yaml:"name"`
	Rules []struct {
		Alert  string    `yaml:"alert"`
		Record string    `yaml:"record"`
		Expr   yaml.Node `yaml:"expr"`
	} `yaml:"rules"`
}

// Rules returns the queries of a file of alerting and recording rules, and the
// names that its recording rules make. name is what errors call the file.
func Rules(name string, content []byte) (queries []Query, recorded []string, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var file ruleFile
		switch err := decoder.Decode(&file); {
		case errors.Is(err, io.EOF):
			if len(queries) == 0 {
				return nil, nil, fmt.Errorf("%s: must have groups of rules, or spec.groups, found none", name)
			}
			return queries, recorded, nil
		case err != nil:
			return nil, nil, fmt.Errorf("%s: must be a file of rules: %w", name, err)
		}
		for _, group := range append(file.Groups, file.Spec.Groups...) {
			for _, rule := range group.Rules {
				expr := &rule.Expr
				if expr.Alias != nil {
					expr = expr.Alias
				}
				where := fmt.Sprintf("%s:%d › %s › %s", name, rule.Expr.Line, group.Name, rule.Alert+rule.Record)
				queries = append(queries, Query{Where: where, Text: expr.Value})
				if rule.Record != "" {
					recorded = append(recorded, rule.Record)
				}
			}
		}
	}
}
