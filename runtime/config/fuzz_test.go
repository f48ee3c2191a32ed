package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// FuzzLoad checks that no file causes a panic. A refused file has errors of one line
// each. An accepted one is printed as YAML that loads as the same configuration.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"testdata/bad.txtar", "testdata/bentoml.txtar"} {
		archive := check.Value(txtar.ParseFile(name))(f)
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Add([]byte(everything().YAML()))
	file := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		check.Must(t, os.WriteFile(file, data, 0o600))
		loaded, err := Source{File: file}.Load(Default(), "Front", "Encoder")
		if err != nil {
			for _, one := range Problems(err) {
				if text := one.Error(); text == "" || strings.ContainsAny(text, "\n\r\x00") {
					t.Errorf("the error %q", text)
				}
			}
			return
		}
		want := loaded.Config
		check.Must(t, os.WriteFile(file, []byte(want.YAML()), 0o600))
		again, err := Source{File: file}.Load(Default(), "Front", "Encoder")
		if err != nil {
			t.Fatalf("%v\n%s", err, want.YAML())
		}
		got := again.Config
		for _, c := range []*Config{&want, &got} { // secrets are not printed
			c.SSL.KeyFilePassword, c.SSL.KeyFilePasswordFile = Secret{}, ""
			c.OTLP.Endpoint, c.OTLP.Headers, c.HTTP.Auth = URL{}, nil, Auth{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got.YAML(), want.YAML())
		}
	})
}

// Load refuses what the schema refuses. The schema refuses what Load refuses
// for a single key.
func TestSchemaAgreesWithLoad(t *testing.T) {
	document := check.Value(jsonschema.UnmarshalJSON(strings.NewReader(string(Schema()))))(t)
	compiler := jsonschema.NewCompiler()
	check.Must(t, compiler.AddResource("schema.json", document))
	schema := check.Value(compiler.Compile("schema.json"))(t)
	for name, text := range map[string]string{"the defaults": uncommented(t), "everything": everything().YAML()} {
		if err := schema.Validate(parsed(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	archive := check.Value(txtar.ParseFile("testdata/bad.txtar"))(t)
	refused := 0
	for i := 0; i < len(archive.Files); i += 2 {
		doc, err := tree.Parse("x", archive.Files[i].Data)
		if err != nil || len(doc.Duplicates) > 0 {
			continue // the schema does not check this
		}
		if schema.Validate(value(doc.Root)) != nil {
			refused++
		} else if !crossing(archive.Files[i].Name) {
			t.Errorf("the schema accepts %q", archive.Files[i].Name)
		}
	}
	if refused < 40 {
		t.Errorf("the schema refuses %d files", refused)
	}
}

// crossing reports whether the file breaks a rule between keys, which the schema
// cannot check.
func crossing(name string) bool {
	for _, prefix := range []string{"buckets", "slo", "endpoint without", "namespace", "prefix", "binary", "cors", "ssl", "id format", "names of headers", "excluded", "otlp endpoint",
		"duration is NaN", "duration is infinite", "duration without", "size", "range: sample_rate NaN", "whole is too large", "socket", "trusted", "auth"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	doc := check.Value(tree.Parse("x", []byte(text)))(t)
	return value(doc.Root)
}

// value returns n as a JSON decoder would.
func value(n *tree.Node) any {
	switch n.Kind {
	case tree.Null:
		return nil
	case tree.Map:
		object := map[string]any{}
		for _, e := range n.Entries {
			object[e.Key] = value(e.Value)
		}
		return object
	case tree.List:
		list := []any{}
		for _, item := range n.Items {
			list = append(list, value(item))
		}
		return list
	}
	switch v := n.Value.(type) {
	case int64, float64:
		if data, err := json.Marshal(v); err == nil {
			return json.Number(data)
		}
		return v
	default:
		return v
	}
}
