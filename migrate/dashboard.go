package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dashboard returns the queries of a Grafana dashboard's JSON: those of its
// panels, rows and annotations, and of its variables. Grafana's own variables are
// replaced by what stands for anything. Queries of other data sources than
// Prometheus are left out. name is what errors call the file.
func Dashboard(name string, content []byte) ([]Query, error) {
	var root map[string]any
	if err := json.Unmarshal(content, &root); err != nil {
		return nil, fmt.Errorf("%s: must be a dashboard's JSON: %w", name, err)
	}
	if inner, ok := root["dashboard"].(map[string]any); ok { // as the API gives it
		root = inner
	}
	d := dashboard{}
	title := name
	if text := textOf(root["title"]); text != "" {
		title += " › " + text
	}
	d.panels(root, title)
	for _, one := range listOf(mapOf(root["annotations"])["list"]) {
		d.add(title+" › annotation "+textOf(one["name"]), one, "expr")
	}
	for _, one := range listOf(mapOf(root["templating"])["list"]) {
		if kind := textOf(one["type"]); kind == "query" {
			d.variable(title+" › variable "+textOf(one["name"]), one)
		}
	}
	if len(d.queries) == 0 {
		return nil, fmt.Errorf("%s: must have panels with Prometheus queries, found none", name)
	}
	return d.queries, nil
}

type dashboard struct{ queries []Query }

// panels finds the panels below a dashboard, a row, or a row of the old kind.
func (d *dashboard) panels(node map[string]any, where string) {
	for _, key := range []string{"panels", "rows"} {
		for _, panel := range listOf(node[key]) {
			at := where
			if title := textOf(panel["title"]); title != "" {
				at += " › " + title
			}
			for _, target := range listOf(panel["targets"]) {
				if target["datasource"] == nil { // it has its panel's
					target = maps.Clone(target)
					target["datasource"] = panel["datasource"]
				}
				from := at
				if id := textOf(target["refId"]); id != "" {
					from += " (" + id + ")"
				}
				d.add(from, target, "expr")
			}
			d.panels(panel, at)
		}
	}
}

func (d *dashboard) add(where string, node map[string]any, key string) {
	text := textOf(node[key])
	if strings.TrimSpace(text) == "" || other(node) {
		return
	}
	d.queries = append(d.queries, Query{Where: where, Text: withoutVariables(text)})
}

// other reports whether a node says that its data source is not Prometheus.
func other(node map[string]any) bool {
	kind := textOf(mapOf(node["datasource"])["type"])
	return kind != "" && !strings.Contains(kind, "prometheus") // grafana-amazonprometheus-datasource, and the like
}

// variable reads the functions that Grafana has for variables.
func (d *dashboard) variable(where string, node map[string]any) {
	text := textOf(node["query"])
	if text == "" {
		text = textOf(mapOf(node["query"])["query"])
	}
	function, rest, found := strings.Cut(strings.TrimSpace(text), "(")
	inside, closed := strings.CutSuffix(strings.TrimSpace(rest), ")")
	if !found || !closed || other(node) {
		return
	}
	switch strings.TrimSpace(function) {
	case "label_values":
		if at := strings.LastIndex(inside, ","); at >= 0 {
			d.queries = append(d.queries, Query{Where: where, Text: withoutVariables(inside[:at]), Label: strings.TrimSpace(inside[at+1:])})
		}
	case "query_result":
		d.queries = append(d.queries, Query{Where: where, Text: withoutVariables(inside)})
	}
}

// withoutVariables replaces Grafana's variables by what a query can be read with:
// a duration between [ and ] or after offset, a label in a list of labels, a
// value between quotes, a part of a metric's name, and otherwise an operand.
func withoutVariables(text string) string {
	r := replacer{text: text}
	for r.at < len(text) {
		if n := variableAt(text[r.at:]); n > 0 {
			r.out.WriteString(r.replacement(n))
			r.at += n
			continue
		}
		r.character()
	}
	return r.out.String()
}

// replacer knows where in a query it is.
type replacer struct {
	text     string
	at       int
	out      strings.Builder
	quote    byte
	brackets int
	lists    []bool // for each open parenthesis, whether it holds labels
}

func (r *replacer) character() {
	c := r.text[r.at]
	switch {
	case r.quote != 0 && c == '\\' && r.at+1 < len(r.text):
		r.out.WriteByte(c)
		r.at++
		c = r.text[r.at]
	case r.quote != 0:
		if c == r.quote {
			r.quote = 0
		}
	case c == '"' || c == '\'' || c == '`':
		r.quote = c
	case c == '#': // a comment, to the end of its line
		if end := strings.IndexByte(r.text[r.at:], '\n'); end >= 0 {
			r.at += end
		} else {
			r.at = len(r.text)
		}
		return
	case c == '[':
		r.brackets++
	case c == ']':
		r.brackets--
	case c == '(':
		words := strings.FieldsFunc(r.out.String(), func(c rune) bool { return !isWord(c) })
		list := len(words) > 0 && slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, words[len(words)-1]) &&
			strings.HasSuffix(strings.TrimRight(r.out.String(), " \t\n"), words[len(words)-1])
		r.lists = append(r.lists, list)
	case c == ')' && len(r.lists) > 0:
		r.lists = r.lists[:len(r.lists)-1]
	}
	r.out.WriteByte(c)
	r.at++
}

func isWord(c rune) bool {
	return c == '_' || c == ':' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// replacement is what stands for the variable here, which is n bytes long.
func (r *replacer) replacement(n int) string {
	before, after := r.out.String(), r.text[r.at+n:]
	switch {
	case r.quote != 0:
		return anything
	case r.brackets > 0, strings.HasSuffix(strings.TrimRight(before, " -"), "offset"):
		return "5m"
	case len(r.lists) > 0 && r.lists[len(r.lists)-1]:
		return anything
	case before != "" && isWord(rune(before[len(before)-1])), after != "" && (isWord(rune(after[0])) || strings.ContainsRune("{[", rune(after[0]))):
		return anything
	}
	return operand
}

// variableAt is the length of the variable that text begins with, or 0: $name,
// ${name}, ${name:format}, [[name]].
func variableAt(text string) int {
	for _, form := range []struct{ open, end string }{{"${", "}"}, {"[[", "]]"}} {
		if rest, ok := strings.CutPrefix(text, form.open); ok {
			if at := strings.Index(rest, form.end); at > 0 && isWord(rune(rest[0])) && rest[0] != ':' { // [[:alpha:]] is none
				return len(form.open) + at + len(form.end)
			}
			return 0
		}
	}
	if len(text) < 2 || text[0] != '$' {
		return 0
	}
	n := 1
	for n < len(text) && isWord(rune(text[n])) && text[n] != ':' {
		n++
	}
	if n == 1 {
		return 0 // an end of line in a regular expression
	}
	return n
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func listOf(v any) []map[string]any {
	list, _ := v.([]any)
	var maps []map[string]any
	for _, one := range list {
		if m := mapOf(one); m != nil {
			maps = append(maps, m)
		}
	}
	return maps
}
