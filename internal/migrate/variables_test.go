package migrate

import (
	"strings"
	"testing"
)

// A variable without a value is replaced by a word that fits its place.
func TestUnknownVariables(t *testing.T) {
	for text, want := range map[string]string{
		`rate(a{b="$c"}[$__rate_interval])`:                    `rate(a{b="ekiben_anything"}[5m])`,
		`rate(a{b=~"x.*$"}[5m] offset $o)`:                     `rate(a{b=~"x.*$"}[5m] offset 5m)`,
		`a{b="\"$c"} + a{b='${c:regex}'}`:                      `a{b="\"ekiben_anything"} + a{b='ekiben_anything'}`,
		`topk($n, sum(a) by ($g, job))`:                        `topk(ekiben_operand, sum(a) by (ekiben_anything, job))`,
		`sum by($g)(a[[x]]_total) / sum without ([[g]])(${m})`: `sum by(ekiben_anything)(aekiben_anything_total) / sum without (ekiben_anything)(ekiben_operand)`,
		`$metric{a="b"}`:                                       `ekiben_anything{a="b"}`,
		`max_over_time(a[${x}:$y])`:                            `max_over_time(a[5m:5m])`,
		`rate(a[${x}m:${y}s] offset ${z}h)`:                    `rate(a[5m:5s] offset 5h)`,
		`rate(a[$x$y])`:                                        `rate(a[55m])`,
		`$agg($func(a[5m])) / ${m}`:                            `ekiben_function(ekiben_function(a[5m])) / ekiben_operand`,
		`${agg:raw} by ($g) (a)`:                               `ekiben_function by (ekiben_anything) (a)`,
		`a{$f} + a{b="c", ${f}}`:                               `a{ekiben_anything="ekiben_anything"} + a{b="c", ekiben_anything="ekiben_anything"}`,
		`a{$l="c"} @ ${__to:date:seconds}`:                     `a{ekiben_anything="c"} @ 1`,
		`a{b=~${c:doublequote}, d!=$e}`:                        `a{b=~"ekiben_anything", d!="ekiben_anything"}`,
		`a{b="c" $more ${evenmore}}`:                           `a{b="c" ,ekiben_anything="ekiben_anything" ,ekiben_anything="ekiben_anything"}`,
		`$agg(5, a) + $agg by (x, y) (5, a)`:                   `ekiben_function(5, a) + ekiben_function by (x, y) (5, a)`,
		`${fn}(0.99, sum by (le) ($f(a{b=")"}[5m])))`:          `ekiben_function(0.99, sum by (le) (ekiben_function(a{b=")"}[5m])))`,
		`$f($q, a[5m]) + $f(a[5m], 60) + $f(a, 1)`:             `ekiben_function(ekiben_operand, a[5m]) + ekiben_function(a[5m], 60) + ekiben_function(a, 1)`,
		`a $op 3`:                    `a ekiben_operator 3`,
		` a / on (x) $m $op bool $n`: ` a / on (x) ekiben_operand ekiben_operator bool ekiben_operand`,
		`sum(a) by (x) [[op]] on (x) group_left $m`: `sum(a) by (x) ekiben_operator on (x) group_left ekiben_operand`,
		`$m $op (a offset $o) or $n and a`:          `ekiben_operand ekiben_operator (a offset 5m) or ekiben_operand and a`,
	} {
		r := replacer{text: text, uses: map[string]bool{}}
		got := r.all()
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
		if _, _, err := parse(got); err != nil {
			t.Errorf("%s: %s", text, err)
		}
	}
}

// Grafana's formats of values, in and outside of strings.
func TestKnownVariables(t *testing.T) {
	values := map[string]choice{
		"p": {values: []string{"ns"}}, "e": {values: []string{"/a.b"}, multi: true}, "r": {values: []string{`/a\d|"`}},
		"m": {values: []string{"/a.b", "/c"}, multi: true}, "g": {values: []string{"a", "b"}, multi: true}, "all": {values: []string{"/a.*"}, custom: true},
	}
	for text, want := range map[string]string{
		`${p}_x + [[p]]_y + ${p:raw}_z`: `ns_x + ns_y + ns_z`,
		`a{b="$e"} + a{b=~"$e"}`:        `a{b="/a.b"} + a{b=~"/a\\.b"}`,
		`a{b=~"$r"}`:                    `a{b=~"/a\\d|\""}`,
		`a{b=~"x$m", c=~"${m:pipe}"}`:   `a{b=~"x(/a\\.b|/c)", c=~"/a.b|/c"}`,
		"a{b=~`${e:regex}`}":            "a{b=~`/a\\.b`}",
		`sum by (${g:csv}) (a)`:         `sum by (a,b) (a)`,
		`a{b=~${p:doublequote}}`:        `a{b=~"ns"}`,
		`${p:percentencode}_a{b="${e:percentencode}", c=~"${m:percentencode}"}`: `ns_a{b="%2Fa.b", c=~"%7B%2Fa.b%2C%2Fc%7D"}`,
		`${p:glob}_a{b=~"${m:glob}"}`:                                           `ns_a{b=~"{/a.b,/c}"}`,
		`${p:lucene}_a{b="${e:lucene}"}`:                                        `ns_a{b="\/a.b"}`,
		`${p:distributed}_a{b="${e:distributed}"}`:                              `ns_a{b="/a.b"}`,
		`a{b="${p:queryparam}"}`:                                                `a{b="ekiben_anything"}`,
		`a{b=~"$all|${all:regex}"}`:                                             `a{b=~"/a.*|/a.*"}`,
		`a{b=~"${all:text}"}`:                                                   `a{b=~"All"}`,
		`rate(a[$p]) + $p`:                                                      `rate(a[5m]) + ns`,
	} {
		r := replacer{text: text, uses: map[string]bool{}, values: values}
		if got := r.all(); got != strings.ReplaceAll(want, `\\\\`, `\\`) {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}
