package real

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// dashboard is the part of the dashboard that decides what Grafana asks.
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
	content, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// values are what a dashboard's variables stand for.
type values map[string][]string

// chosenAll is the choice of "All", for which a dashboard says what is put in.
const chosenAll = "$__all"

// resolve asks each variable's own query, with the variables before it, as
// Grafana does when the dashboard opens. Of what is not chosen it takes
// everything where "All" can be chosen, each value by name, and else the first.
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

// options are what the variable's list shows.
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

// labelValues answers label_values(selector, label).
func labelValues(t *testing.T, s server, asked string) []string {
	t.Helper()
	match := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(asked)
	if match == nil {
		t.Fatalf("%s is none of Grafana's functions", asked)
	}
	var answer struct {
		Data []string `json:"data"`
	}
	s.get(t, "/api/v1/label/"+match[2]+"/values?match[]="+url.QueryEscape(match[1]), &answer)
	slices.Sort(answer.Data)
	return answer.Data
}

// queryResult answers query_result(query): a line for each series.
func queryResult(t *testing.T, s server, query string) []string {
	t.Helper()
	var lines []string
	for _, sample := range s.ask(t, query) {
		var pairs []string // as they are written: le is matched by its text
		for name, value := range sample.labels {
			pairs = append(pairs, name+"="+strconv.Quote(value))
		}
		slices.Sort(pairs)
		lines = append(lines, fmt.Sprintf("{%s} %v", strings.Join(pairs, ","), sample.value))
	}
	return lines
}

var reference = regexp.MustCompile(`\$(\w+)`)

// into puts the variables into a query. Like Grafana it leaves $1 alone, which is
// no variable, and matches several values as alternatives, quoted.
func (all values) into(query string) string {
	return reference.ReplaceAllStringFunc(query, func(text string) string {
		name := text[1:]
		options, is := all[name]
		switch {
		case name == "__rate_interval":
			return "20s"
		case !is:
			return text
		case name == "probes": // one of a list, put in as it stands
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
