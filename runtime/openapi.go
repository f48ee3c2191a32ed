package runtime

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// The part of OpenAPI 3.0 that /docs.json uses, in BentoML's layout.
type (
	apiDocument struct {
		OpenAPI    string                          `json:"openapi"`
		Info       apiInfo                         `json:"info"`
		Servers    []map[string]string             `json:"servers"`
		Tags       []apiTag                        `json:"tags"`
		Paths      map[string]map[string]operation `json:"paths"`
		Components map[string]map[string]any       `json:"components"`
	}
	apiInfo struct {
		Title   string `json:"title"`
		Version string `json:"version"`
	}
	apiTag struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	operation struct {
		Name        string                 `json:"x-bentoml-name,omitempty"`
		OperationID string                 `json:"operationId,omitempty"`
		Description string                 `json:"description,omitempty"`
		Tags        []string               `json:"tags"`
		RequestBody *apiContent            `json:"requestBody,omitempty"`
		Responses   map[string]*apiContent `json:"responses"`
	}
	apiContent struct {
		Description string              `json:"description,omitempty"`
		Required    bool                `json:"required,omitempty"`
		Headers     map[string]any      `json:"headers,omitempty"`
		Content     map[string]apiMedia `json:"content,omitempty"`
	}
	apiMedia struct {
		Schema any `json:"schema"`
	}
)

const (
	apiTagName   = "Service APIs"
	infraTagName = "Infrastructure"
)

// openAPI is /docs.json: every API of the entry service with its schemas, and
// what the runtime answers itself.
func openAPI(rt *Runtime) apiDocument {
	prefix := rt.cfg().HTTP.PathPrefix
	// Paths have the prefix, so what they are below is the folders of the prefix up.
	root := cmp.Or(strings.TrimSuffix(strings.Repeat("../", strings.Count(prefix, "/")), "/"), ".")
	doc := apiDocument{
		OpenAPI: "3.0.2",
		Info:    apiInfo{Title: rt.entry.name, Version: rt.app.version},
		Servers: []map[string]string{{"url": root}},
		Tags: []apiTag{
			{apiTagName, "Inference endpoints of the service."},
			{infraTagName, "Health and observability endpoints."},
		},
		Paths:      map[string]map[string]operation{},
		Components: map[string]map[string]any{"schemas": {"Error": errorSchema()}},
	}
	for path, text := range map[string]string{
		"/healthz": "The server lives.",
		"/livez":   "The server lives.",
		"/readyz":  "The server takes requests; 503 while it drains.",
		"/metrics": "Metrics for Prometheus; 404 when metrics.enabled is false.",
	} {
		doc.Paths[prefix+path] = map[string]operation{"get": {
			Tags: []string{infraTagName}, Description: text,
			Responses: map[string]*apiContent{"200": {Description: "Successful Response"}},
		}}
	}
	doc.Paths[prefix+"/readyz"]["get"].Responses["503"] = &apiContent{Description: "Service Unavailable"}
	for _, a := range rt.entry.apis {
		doc.Paths[prefix+a.route] = map[string]operation{"post": a.operation()}
		if a.codec.input().NeedsOpenAPI31() || a.codec.output().NeedsOpenAPI31() {
			doc.OpenAPI = "3.1.0"
		}
	}
	return doc
}

func (a *api) operation() operation {
	op := operation{
		Name: a.name, OperationID: a.service.name + "__" + a.name, Tags: []string{apiTagName},
		RequestBody: &apiContent{Content: media("application/json", a.codec.input())},
		Responses:   map[string]*apiContent{},
	}
	op.Responses["200"] = &apiContent{Description: "Successful Response", Content: media(a.codec.contentType(), a.codec.output())}
	statuses := []int{
		http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusGatewayTimeout,
	}
	if a.sheds() {
		statuses = append(statuses, http.StatusServiceUnavailable)
	}
	for _, status := range statuses {
		op.Responses[strconv.Itoa(status)] = &apiContent{
			Description: http.StatusText(status),
			Content:     map[string]apiMedia{"application/json": {Schema: map[string]string{"$ref": "#/components/schemas/Error"}}},
		}
	}
	if shed := op.Responses["503"]; shed != nil {
		shed.Headers = map[string]any{"Retry-After": map[string]any{
			"description": "Seconds until another request may be admitted.",
			"schema":      map[string]any{"type": "integer", "minimum": 1},
		}}
	}
	return op
}

// sheds reports whether the API can answer 503: as a batchable one, or with the
// error of a call of one.
func (a *api) sheds() bool {
	batchable := func(a *api) bool { return a.batch != nil }
	below := a.service.withDependencies()[1:]
	return batchable(a) || slices.ContainsFunc(below, func(s *Service) bool { return slices.ContainsFunc(s.apis, batchable) })
}

func media(contentType string, schema *wire.Schema) map[string]apiMedia {
	contentType, _, _ = strings.Cut(contentType, ";")
	return map[string]apiMedia{contentType: {Schema: schema.OpenAPI()}}
}

// errorSchema is what every refusal and failure looks like.
func errorSchema() any {
	violation := map[string]any{
		"type":     "object",
		"required": []string{"type", "loc", "msg"},
		"properties": map[string]any{
			"type": map[string]string{"type": "string"},
			"loc":  map[string]any{"type": "array", "items": map[string]any{}},
			"msg":  map[string]string{"type": "string"},
		},
	}
	return map[string]any{
		"type":     "object",
		"title":    "Error",
		"required": []string{"error"},
		"properties": map[string]any{
			"error":  map[string]string{"type": "string", "title": "Message"},
			"detail": map[string]any{"title": "Violations of an invalid input", "type": "array", "items": violation},
		},
	}
}
