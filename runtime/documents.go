package runtime

import (
	"encoding/json"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// documents renders /schema.json and /docs.json once.
func documents(rt *Runtime) (schema, docs []byte, err error) {
	if schema, err = json.Marshal(schemaDocument(rt.entry, rt.cfg().HTTP.PathPrefix)); err != nil {
		return nil, nil, err
	}
	docs, err = json.Marshal(openAPI(rt))
	return schema, docs, err
}

// schemaRoute is an API as BentoML's client reads it.
type schemaRoute struct {
	Name      string       `json:"name"`
	Route     string       `json:"route"`
	Batchable bool         `json:"batchable"`
	Input     *wire.Schema `json:"input"`
	Output    *wire.Schema `json:"output"`
	IsTask    bool         `json:"is_task"`
}

type schemaPath struct {
	Mounted bool `json:"mounted"`
}

// schemaDocument is /schema.json, from which BentoML's Python client makes its
// methods.
func schemaDocument(svc *Service, prefix string) any {
	doc := struct {
		Name   string                `json:"name"`
		Type   string                `json:"type"`
		Routes []schemaRoute         `json:"routes"`
		Paths  map[string]schemaPath `json:"paths"`
	}{Name: svc.name, Type: "service", Routes: []schemaRoute{}, Paths: map[string]schemaPath{}}
	for _, a := range svc.apis {
		doc.Routes = append(doc.Routes, schemaRoute{
			Name: a.name, Route: prefix + a.route, Batchable: a.batch != nil, Input: a.codec.input(), Output: a.codec.output(),
		})
		doc.Paths[prefix+a.route] = schemaPath{}
	}
	return doc
}
