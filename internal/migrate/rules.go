package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// ruleFile is a file of Prometheus' or of Mimir's, an operator's PrometheusRule,
// or a list of these as kubectl prints it.
type ruleFile struct {
	Namespace string      `yaml:"namespace"`
	Groups    []ruleGroup `yaml:"groups"`
	Metadata  struct {
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Groups []ruleGroup `yaml:"groups"`
	} `yaml:"spec"`
	Items []ruleFile `yaml:"items"`
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
		found, names := file.rules(name)
		queries, recorded = append(queries, found...), append(recorded, names...)
	}
}

func (f ruleFile) rules(name string) (queries []Query, recorded []string) {
	namespace := f.Namespace + f.Metadata.Namespace
	if namespace != "" {
		namespace = " › " + namespace
	}
	for _, group := range append(f.Groups, f.Spec.Groups...) {
		for _, rule := range group.Rules {
			expr := &rule.Expr
			if expr.Alias != nil {
				expr = expr.Alias
			}
			where := fmt.Sprintf("%s:%d%s › %s › %s", name, rule.Expr.Line, namespace, group.Name, rule.Alert+rule.Record)
			queries = append(queries, Query{Where: where, Text: expr.Value, Record: rule.Record})
			if rule.Record != "" {
				recorded = append(recorded, rule.Record)
			}
		}
	}
	for _, item := range f.Items {
		found, names := item.rules(name)
		queries, recorded = append(queries, found...), append(recorded, names...)
	}
	return queries, recorded
}
