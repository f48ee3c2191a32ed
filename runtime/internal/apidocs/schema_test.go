package apidocs_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

func TestSchema(t *testing.T) {
	in := check.Value(wire.NewInput[struct{}]())(t)
	out := check.Value(wire.NewOutput[string]())(t)
	content := check.Value(apidocs.Schema(apidocs.App{Service: "Docs", Prefix: "/ml", APIs: []apidocs.API{
		{Name: "x", Route: "/x", Batchable: true, Input: in.Schema(), Output: out.Schema()},
		{Name: "y", Route: "/y", Task: true, Input: in.Schema(), Output: out.Schema()},
	}}))(t)
	for _, want := range []string{`{"name":"Docs","type":"service","routes":[{"name":"x","route":"/ml/x","batchable":true,"input":{`, `"is_task":false},{"name":"y","route":"/ml/y",`, `"is_task":true}],"paths":{"/ml/x":{"mounted":false},"/ml/y":{"mounted":false}}}`} {
		if !strings.Contains(string(content), want) {
			t.Errorf("got %s, lacks %s", content, want)
		}
	}
}
