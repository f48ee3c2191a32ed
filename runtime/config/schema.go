package config

import (
	"encoding/json"
	"reflect"
	"slices"
)

// Schema returns the JSON Schema (2020-12) of configuration files, for editors.
// It has types, ranges and allowed strings. Only Load checks rules between
// keys.
func Schema() []byte {
	defaults := reflect.ValueOf(Default())
	schema := sectionSchema(root(), defaults)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Ekiben configuration"
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic("config: " + err.Error()) //nolint:forbidigo // the structs' own doing, which a test runs
	}
	return append(data, '\n')
}

func sectionSchema(k *key, defaults reflect.Value) map[string]any {
	properties := map[string]any{}
	for _, b := range k.below {
		below := defaults
		if defaults.IsValid() {
			below = defaults.FieldByIndex(b.index)
		}
		properties[b.name] = valueSchema(b, below)
	}
	return map[string]any{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

func valueSchema(k *key, defaults reflect.Value) map[string]any {
	var s map[string]any
	switch k.kind {
	case section:
		s = sectionSchema(k, defaults)
	case table:
		s = map[string]any{"type": []string{"object", "null"}, "additionalProperties": valueSchema(k.each, reflect.Value{})}
	default:
		s = k.leafSchema()
		if defaults.IsValid() {
			s["default"] = defaultOf(k, defaults)
		}
	}
	if k.doc != "" {
		s["description"] = k.meaning()
	}
	return s
}

func defaultOf(k *key, v reflect.Value) any {
	if k.optional && v.IsNil() {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return jsonValue(k, v)
}

// leafSchema returns the schema of one value. Null means "not given".
func (k *key) leafSchema() map[string]any {
	if len(k.oneof) > 0 {
		words := []any{nil}
		for _, word := range k.oneof {
			if k.kind == whole {
				words = append(words, json.Number(word))
			} else {
				words = append(words, word)
			}
		}
		return map[string]any{"enum": words}
	}
	types := map[kind][]string{
		text: {"string"}, secret: {"string", "number", "boolean"}, address: {"string"}, boolean: {"boolean"}, whole: {"integer"}, number: {"number"},
		size: {"integer", "string"}, duration: {"number", "string"}, milliseconds: {"number", "string"}, numbers: {"array"}, texts: {"array", "string"},
	}[k.kind]
	s := map[string]any{"type": append(slices.Clone(types), "null")}
	if k.also != "" {
		s = map[string]any{"anyOf": []any{s, map[string]any{"const": k.also}}}
		s["anyOf"].([]any)[0].(map[string]any)["minimum"] = *k.min
		return s
	}
	if k.min != nil {
		s["minimum"] = *k.min
	}
	if k.max != nil {
		s["maximum"] = *k.max
	}
	switch k.kind {
	case size:
		s["pattern"] = sizeText.String()
	case duration, milliseconds:
		s["pattern"] = `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)([0-9.]+(ns|us|µs|ms|s|m|h))*$|^\+?0$`
	case numbers:
		s["items"] = map[string]any{"type": "number"}
	case texts:
		s["items"] = map[string]any{"type": "string"}
	}
	return s
}
