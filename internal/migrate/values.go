package migrate

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// variables are the variables of a dashboard, by name.
type variables map[string]variable

// variable has the values that the file gives. If it is open, a user of the
// dashboard can choose other values too.
type variable struct {
	open    bool
	multi   bool     // several values can be chosen, so Grafana escapes them in regular expressions
	current []string // chosen when the file was saved
	values  []string // each value, the current ones first
	all     []choice // the value that the dashboard's author gave All, if any
	isAll   bool     // All was chosen when the file was saved
	nests   bool     // Grafana replaces the variables in its values
}

// choice is what a variable stands for in one reading of a query.
type choice struct {
	values []string
	multi  bool
	custom bool // of All, given by the dashboard's author: Grafana never escapes it
}

// allValues is the value of a variable when a user chooses All, and allText its
// title.
const allValues, allText = "$__all", "All"

// variablesOf reads the variables of both schemas.
func variablesOf(n *node) variables {
	inputs := map[string]string{}
	for _, one := range n.list("__inputs") {
		inputs[one.str("name")] = one.str("value")
	}
	found := variables{}
	for _, one := range n.list("templating", "list") {
		found[one.str("name")] = newVariable(one.str("type"), one, inputs)
	}
	for _, one := range n.list("variables") {
		kind, spec := one.str("kind"), one.get("spec")
		found[spec.str("name")] = newVariable(strings.ToLower(strings.TrimSuffix(kind, "Variable")), spec, inputs)
	}
	for name, v := range found {
		if v.nests {
			found[name] = found.unnest(v, name)
		}
	}
	return found
}

// unnest replaces the variables in the values of v, the variable called name. A value
// with a variable that has no value may be anything.
func (vs variables) unnest(v variable, name string) variable {
	var values []string
	for _, value := range v.values {
		filled := vs.fill(value, name)
		if len(filled) == 1 && filled[0] == value {
			values = append(values, value)
			continue
		}
		v.open = v.open || len(filled) == 0
		for _, one := range filled {
			values = append(values, listed(one)...)
		}
	}
	v.values, v.nests = unique(values), false
	return v
}

// fill returns text with each value of its variables, but none of those within, in
// which it is.
func (vs variables) fill(text string, within ...string) []string {
	for at := range text {
		n := variableAt(text[at:])
		name, _ := nameOf(text[at : at+n])
		if n == 0 || name[0] >= '0' && name[0] <= '9' { // $1 is a group of a regular expression
			continue
		}
		var all []string
		for _, one := range vs[name].choices() {
			if slices.Contains(within, name) || len(all) > maxReadings {
				break
			}
			for _, value := range vs.fill(strings.Join(one.values, ","), append(slices.Clone(within), name)...) {
				for _, rest := range vs.fill(text[at+n:], within...) {
					all = append(all, text[:at]+value+rest)
				}
			}
		}
		return all
	}
	return []string{text}
}

func newVariable(kind string, n *node, inputs map[string]string) variable {
	includeAll := n.str("includeAll") == "true"
	v := variable{open: true, multi: n.str("multi") == "true" || includeAll, isAll: choosesAll(n.get("current"), includeAll)}
	if !v.isAll {
		v.current = n.get("current", "value").texts()
	}
	v.values = slices.Clone(v.current)
	if all := n.str("allValue"); all != "" && (includeAll || v.isAll) {
		r := replacer{text: all, uses: map[string]bool{}, quote: '`'} // a variable in it may have any value
		v.all = []choice{{values: []string{r.all()}, custom: true}}
	}
	switch kind {
	case "datasource", "adhoc":
		return variable{open: true}
	case "constant":
		v.open, v.values = false, []string{oneOf(n.str("query"), strings.Join(v.current, ""))}
	case "switch":
		v.open, v.values = false, append(v.values, n.str("enabledValue"), n.str("disabledValue"))
	case "custom", "interval":
		v.open, v.nests = false, kind == "custom"
		v.values = append(v.values, listed(n.str("query"))...)
	case "textbox", "text":
		if v.values == nil {
			v.values = []string{n.str("query")}
		}
	}
	for _, option := range n.list("options") {
		if text := option.str("value"); kind != "constant" && text != "" && !isAllValue(text, includeAll) {
			v.values = append(v.values, text)
		}
	}
	for i, text := range v.values {
		if given, ok := inputs[strings.Trim(text, "${}")]; ok {
			v.values[i] = given
		}
	}
	v.values = unique(v.values)
	return v
}

// choosesAll reports whether a variable's current value is All. Old versions of
// Grafana wrote its title as its value, or only its title.
func choosesAll(current *node, includeAll bool) bool {
	texts := oneOfLists(current.get("value").texts(), current.get("text").texts())
	return len(texts) > 0 && isAllValue(texts[0], includeAll)
}

func isAllValue(text string, includeAll bool) bool {
	return text == allValues || text == allText && includeAll
}

func oneOfLists(lists ...[]string) []string {
	for _, list := range lists {
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// listed splits the query of a custom variable: values with commas between them,
// each perhaps after its title and a colon, or a JSON list.
func listed(query string) []string {
	if documents, err := decodeJSON([]byte(query)); err == nil && len(documents) == 1 && documents[0].list() != nil {
		var values []string
		for _, one := range documents[0].list() {
			values = append(values, oneOf(one.str("value"), one.str("text"), one.str()))
		}
		return values
	}
	var values []string
	for _, one := range regexp.MustCompile(`(?:\\,|[^,])+`).FindAllString(query, -1) {
		if _, value, titled := strings.Cut(one, " : "); titled {
			one = value
		}
		values = append(values, strings.ReplaceAll(strings.TrimSpace(one), `\,`, ","))
	}
	return values
}

func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s string) bool {
		was := seen[s]
		seen[s] = true
		return was
	})
}

// maxReadings bounds the combinations of values that one query is checked with.
const maxReadings = 1000

// expand returns the readings of a query with the values of its variables. Variables
// that may have any value in the first reading of a group have their current values
// in the second, and the author's values of All in the third.
func (vs variables) expand(q Query) [][]Query {
	uses := q.uses()
	readings := []map[string]choice{{}}
	current, all := map[string]choice{}, map[string]choice{}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		v, must := vs[name], uses[name]
		choices := v.choices()
		switch {
		case len(choices) == 0 && must:
			unknown = append(unknown, "$"+name)
		case v.open && !must && len(choices) > 0:
			current[name] = v.inEffect()
			for _, custom := range v.all {
				all[name] = custom
			}
		case len(readings)*max(len(choices), 1) > maxReadings:
			q.Unreadable = "its variables have more than 1000 combinations of values"
			return [][]Query{{q}}
		case len(choices) > 0:
			readings = times(readings, name, choices)
		}
	}
	if unknown != nil {
		q.Unreadable = "the file has no value for " + strings.Join(unknown, ", ")
		return [][]Query{{q}}
	}
	var groups [][]Query
	for _, values := range readings {
		group := []Query{q.filled(values)}
		for _, special := range []map[string]choice{current, all} {
			if len(special) > 0 {
				maps.Copy(values, special)
				group = append(group, q.filled(values))
			}
		}
		group = q.filters.apply(group)
		groups = append(groups, group)
	}
	return groups
}

// times returns each reading with each choice of the variable.
func times(readings []map[string]choice, name string, choices []choice) []map[string]choice {
	var all []map[string]choice
	for _, reading := range readings {
		for _, one := range choices {
			next := maps.Clone(reading)
			next[name] = one
			all = append(all, next)
		}
	}
	return all
}

// choices returns each value alone, and the author's value of All. Otherwise All is
// all values together, which finds nothing else.
func (v variable) choices() []choice {
	var all []choice
	for _, value := range v.values {
		all = append(all, choice{values: []string{value}, multi: v.multi})
	}
	return append(all, v.all...)
}

// inEffect returns what a variable with choices stands for when the dashboard opens.
func (v variable) inEffect() choice {
	switch {
	case len(v.current) > 0:
		return choice{values: v.current, multi: v.multi}
	case len(v.all) > 0:
		return v.all[0]
	case v.isAll:
		return choice{values: v.values, multi: v.multi}
	}
	return choice{values: v.values[:1], multi: v.multi}
}

// as returns the choice as Grafana writes it into a query, and false for a format
// that is not known here. quote is the quotation mark around it, and regular says
// that it is in a regular expression.
func (c choice) as(format string, quote byte, regular bool) (string, bool) {
	values := slices.Clone(c.values)
	if c.custom && format == "text" {
		return allText, true
	}
	if c.custom {
		return values[0], true
	}
	switch format {
	case "", "regex":
		for i := range values {
			if regular && (c.multi || format != "") {
				values[i] = regexp.QuoteMeta(values[i])
			}
			if quote == '"' || quote == '\'' {
				values[i] = strings.NewReplacer(`\`, `\\`, string(quote), `\`+string(quote)).Replace(values[i])
			}
		}
		if len(values) > 1 {
			return "(" + strings.Join(values, "|") + ")", true
		}
		return strings.Join(values, ""), true
	case "raw", "csv", "text":
		return strings.Join(values, ","), true
	case "percentencode":
		return strings.ReplaceAll(url.QueryEscape(inBraces(values)), "+", "%20"), true
	case "glob":
		return inBraces(values), true
	case "lucene":
		if len(values) == 1 {
			return lucene.ReplaceAllString(values[0], `\$0`), true
		}
	case "distributed":
		if len(values) == 1 {
			return values[0], true
		}
	case "pipe":
		return strings.Join(values, "|"), true
	case "doublequote":
		return `"` + strings.Join(values, `","`) + `"`, true
	case "singlequote":
		return `'` + strings.Join(values, `','`) + `'`, true
	}
	return "", false
}

// lucene matches the characters that Grafana's format lucene escapes.
var lucene = regexp.MustCompile(`[!*+\-=<>\s&|()\[\]{}^~?:\\/"]`)

func inBraces(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "{" + strings.Join(values, ",") + "}"
}

// uses returns the variables of a query: true for one that must have a value, because
// the name of a metric or a label contains it.
func (q Query) uses() map[string]bool {
	r := replacer{text: q.Text, uses: map[string]bool{}}
	r.all()
	if n := variableAt(q.Label); n > 0 {
		name, _ := nameOf(q.Label[:n])
		r.uses[name] = true
	}
	return r.uses
}

// filled returns the query with values in place of its variables.
func (q Query) filled(values map[string]choice) Query {
	r := replacer{text: q.Text, uses: map[string]bool{}, values: values}
	q.Text, q.operands, q.variables = r.all(), r.operands, nil
	if r.unformatted != nil {
		q.Unreadable = "the format of " + strings.Join(unique(r.unformatted), ", ") + " is not known"
	}
	if n := variableAt(q.Label); n > 0 {
		name, _ := nameOf(q.Label[:n])
		q.Label = strings.Join(values[name].values, ",") + q.Label[n:]
	}
	return q
}
