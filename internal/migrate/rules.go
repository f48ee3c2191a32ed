package migrate

// isGroup reports whether n is a group of Prometheus, Mimir or Grafana rules,
// from a file or from the rules API.
func isGroup(n *node) bool {
	rules := n.list("rules")
	for _, field := range []string{"alert", "record", "expr", "query", "data"} {
		if hasField(rules, field) && !hasField(rules, "seriesQuery") {
			return true
		}
	}
	return false
}

func (r *reader) group(n *node, p place) {
	p = p.in(n.str("name"))
	for _, rule := range n.list("rules") {
		switch expr := rule.get("expr"); {
		case rule == nil:
		case rule.get("data") != nil:
			r.grafanaRule(rule, p)
		case expr != nil:
			r.done(expr)
			r.add(Query{Where: p.in(rule.str("alert") + rule.str("record")).at(expr.line), Text: expr.text, Record: rule.str("record")})
		default: // of Prometheus' API
			r.done(rule.get("query"))
			q := Query{Where: p.in(rule.str("name")).at(rule.line), Text: rule.str("query")}
			if rule.str("type") == "recording" {
				q.Record = rule.str("name")
			}
			r.add(q)
		}
	}
}

// grafanaRule reads a rule that Grafana evaluates: several queries, each with a
// data source.
func (r *reader) grafanaRule(n *node, p place) {
	d := dashboard{reader: r}
	for _, one := range n.list("data") {
		model := one.get("model")
		kind := d.kind(model.get("datasource"))
		if uid := one.str("datasourceUid"); uid == "__expr__" || uid == "-100" {
			kind = "__expr__"
		} else if kind == "" {
			kind = calledAfter(uid)
		}
		d.target(p.in(n.str("title")+refID(one)).at(one.line), model, model.str("expr"), kind)
	}
}
