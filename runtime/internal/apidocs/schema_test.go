package apidocs_test

import (
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

func TestSchema(t *testing.T) {
	in, err := wire.NewInput[struct{}]()
	if err != nil {
		t.Fatal(err)
	}
	out, err := wire.NewOutput[string]()
	if err != nil {
		t.Fatal(err)
	}
	content, err := apidocs.Schema(apidocs.App{Service: "Docs", Prefix: "/ml", APIs: []apidocs.API{
		{Name: "x", Route: "/x", Batchable: true, Input: in.Schema(), Output: out.Schema()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"name":"Docs","type":"service","routes":[{"name":"x","route":"/ml/x","batchable":true,"input":{`, `"is_task":false}],"paths":{"/ml/x":{"mounted":false}}}`} {
		if !strings.Contains(string(content), want) {
			t.Errorf("got %s, lacks %s", content, want)
		}
	}
}
