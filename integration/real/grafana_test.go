package real

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// dashboard holds the parts of the dashboard that make Grafana's queries.
type dashboard struct {
	Panels []struct {
		Title   string   `json:"title"`
		Targets []target `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type target struct {
	RefID    string `json:"refId"`
	Expr     string `json:"expr"`
	Exemplar bool   `json:"exemplar"`
}

type variable struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	Query   json.RawMessage `json:"query"`
	Regex   string          `json:"regex"`
	All     bool            `json:"includeAll"`
	AllIs   string          `json:"allValue"`
	Options []struct {
		Text  string `json:"text"`
		Value string `json:"value"`
	} `json:"options"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	check.Must(t, json.Unmarshal([]byte(read(t, deploy, "grafana", "dashboard.json")), &d))
	return d
}

// values are the chosen values of the dashboard's variables.
type values map[string][]string

// chosenAll is the choice "All". The dashboard says what replaces it.
const chosenAll = "$__all"

// resolve evaluates the query of each variable with the variables before it, as
// Grafana does when the dashboard opens. A variable that is not chosen gets all its
// values if "All" is possible, and else the first.
func (d dashboard) resolve(t *testing.T, s server, chosen values) values {
	t.Helper()
	all := values{}
	for _, v := range d.Templating.List {
		options := v.options(t, s, all)
		if len(options) > 1 && !v.All {
			options = options[:1]
		}
		if given, is := chosen[v.Name]; is {
			options = given
		}
		if len(options) == 1 && options[0] == chosenAll {
			options = []string{chosenAll + v.AllIs}
		}
		all[v.Name] = options
	}
	return all
}

// options returns the values in the list of the variable.
func (v variable) options(t *testing.T, s server, before values) []string {
	t.Helper()
	var options []string
	switch v.Type {
	case "datasource":
		return []string{"prometheus"}
	case "custom":
		for _, o := range v.Options {
			options = append(options, o.Value)
		}
		return options
	}
	var query struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(v.Query, &query); err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	asked := before.into(query.Query)
	if inner, is := strings.CutPrefix(asked, "query_result("); is {
		options = queryResult(t, s, strings.TrimSuffix(inner, ")"))
	} else {
		options = labelValues(t, s, asked)
	}
	if v.Regex == "" {
		return options
	}
	captures := regexp.MustCompile(strings.Trim(v.Regex, "/"))
	found := map[string]bool{}
	for _, option := range options {
		if match := captures.FindStringSubmatch(option); match != nil {
			found[match[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// labelValues evaluates label_values(selector, label).
func labelValues(t *testing.T, s server, asked string) []string {
	t.Helper()
	match := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(asked)
	if match == nil {
		t.Fatalf("%s is not one of Grafana's functions", asked)
	}
	var answer struct {
		Data []string `json:"data"`
	}
	s.get(t, "/api/v1/label/"+match[2]+"/values?match[]="+url.QueryEscape(match[1]), &answer)
	slices.Sort(answer.Data)
	return answer.Data
}

// queryResult evaluates query_result(query). It returns a line for each series.
func queryResult(t *testing.T, s server, query string) []string {
	t.Helper()
	var lines []string
	for _, sample := range s.ask(t, query) {
		var pairs []string // le stays a string
		for name, value := range sample.labels {
			pairs = append(pairs, name+"="+strconv.Quote(value))
		}
		slices.Sort(pairs)
		lines = append(lines, fmt.Sprintf("{%s} %v", strings.Join(pairs, ","), sample.value))
	}
	return lines
}

var reference = regexp.MustCompile(`\$(\w+)`)

// into replaces the variables of a query. Like Grafana it keeps $1, which is not a
// variable, and turns several values into alternatives of a regular expression.
func (all values) into(query string) string {
	return reference.ReplaceAllStringFunc(query, func(text string) string {
		name := text[1:]
		options, is := all[name]
		switch {
		case name == "__rate_interval":
			return "20s"
		case !is:
			return text
		case name == "probes": // has one value, which is not escaped
			return options[0]
		case len(options) == 1 && strings.HasPrefix(options[0], chosenAll):
			return strings.TrimPrefix(options[0], chosenAll)
		}
		var quoted []string
		for _, option := range options {
			quoted = append(quoted, strings.ReplaceAll(regexp.QuoteMeta(option), `\`, `\\`))
		}
		if len(quoted) == 1 {
			return quoted[0]
		}
		return "(" + strings.Join(quoted, "|") + ")"
	})
}
