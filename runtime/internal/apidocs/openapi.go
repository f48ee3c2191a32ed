package apidocs

import (
	"cmp"
	"encoding/json"
	"maps"
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
		Security   []any                           `json:"security"` // empty: no credentials are asked for
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
		OperationID string                 `json:"operationId"`
		Summary     string                 `json:"summary"`
		Security    *[]any                 `json:"security,omitempty"` // nil: that of the document
		Description string                 `json:"description,omitempty"`
		Tags        []string               `json:"tags"`
		Parameters  []parameter            `json:"parameters,omitempty"`
		RequestBody *apiContent            `json:"requestBody,omitempty"`
		Responses   map[string]*apiContent `json:"responses"`
	}
	parameter struct {
		Name     string         `json:"name"`
		In       string         `json:"in"`
		Required bool           `json:"required"`
		Schema   map[string]any `json:"schema"`
	}
	apiContent struct {
		Description string              `json:"description,omitempty"`
		Required    bool                `json:"required,omitempty"`
		Headers     map[string]any      `json:"headers,omitempty"`
		Content     map[string]apiMedia `json:"content,omitempty"`
	}
	apiMedia struct {
		Schema   any                          `json:"schema"`
		Encoding map[string]map[string]string `json:"encoding,omitempty"` // of the fields of a form
	}
)

const (
	apiTagName   = "Service APIs"
	infraTagName = "Infrastructure"
	success      = "Successful Response"
)

// OpenAPI returns /docs.json with the schemas of all APIs, the probes and /metrics.
func OpenAPI(app App) ([]byte, error) {
	// The paths include the prefix, so the server's URL leads from the folder of
	// /docs.json back to the root.
	root := cmp.Or(strings.TrimSuffix(strings.Repeat("../", strings.Count(app.Prefix, "/")), "/"), ".")
	doc := apiDocument{
		OpenAPI: "3.0.2",
		Info:    apiInfo{Title: app.Service, Version: app.Version},
		Servers: []map[string]string{{"url": root}},
		Tags: []apiTag{
			{apiTagName, "Inference endpoints of the service."},
			{infraTagName, "Health and observability endpoints."},
		},
		Security:   []any{},
		Paths:      map[string]map[string]operation{},
		Components: map[string]map[string]any{"schemas": {"Error": errorSchema()}},
	}
	app.secure(&doc)
	for name, op := range infrastructure() {
		if len(doc.Security) > 0 {
			op.Security = &[]any{} // open to everybody
		}
		doc.Paths[app.Prefix+"/"+name] = map[string]operation{"get": op}
	}
	for _, a := range app.APIs {
		doc.Paths[app.Prefix+a.Route] = map[string]operation{"post": doc.guarded(a.operation(app.Service))}
		if a.Task {
			doc.Components["schemas"]["TaskStatusResponse"] = taskStatusSchema()
			for _, below := range a.taskRoutes(app.Service) {
				doc.Paths[app.Prefix+a.Route+below.suffix] = map[string]operation{below.method: doc.guarded(below.operation)}
			}
		}
		if a.Input.NeedsOpenAPI31() || a.Output.NeedsOpenAPI31() {
			doc.OpenAPI = "3.1.0"
		}
	}
	return json.Marshal(doc)
}

// secure names the credentials, one of which a request must have.
func (app App) secure(doc *apiDocument) {
	schemes := map[string]any{}
	for scheme, on := range map[string]bool{"bearer": app.Bearer, "basic": app.Basic} {
		if on {
			schemes[scheme] = map[string]string{"type": "http", "scheme": scheme}
		}
	}
	for _, scheme := range slices.Sorted(maps.Keys(schemes)) {
		doc.Security = append(doc.Security, map[string][]string{scheme: {}})
		doc.Components["securitySchemes"] = schemes
	}
}

// guarded adds the response to wrong credentials, if any are asked for.
func (d *apiDocument) guarded(op operation) operation {
	if len(d.Security) > 0 {
		op.Responses["401"] = failure(http.StatusUnauthorized)
	}
	return op
}

// infrastructure returns the probes and /metrics by name. Their operationIds cannot
// be those of an API, which contain the service's name.
func infrastructure() map[string]operation {
	op := func(name, summary, description string, statuses ...int) operation {
		op := operation{OperationID: name, Summary: summary, Description: description, Tags: []string{infraTagName}, Responses: map[string]*apiContent{}}
		for _, status := range statuses {
			op.Responses[strconv.Itoa(status)] = &apiContent{Description: http.StatusText(status)}
		}
		op.Responses["200"] = &apiContent{Description: success}
		return op
	}
	const alive = "Responds 200 while the server runs, 503 while a check of its liveness fails."
	return map[string]operation{
		"healthz": op("healthz", "Liveness", alive, http.StatusServiceUnavailable),
		"livez":   op("livez", "Liveness", alive, http.StatusServiceUnavailable),
		"readyz": op("readyz", "Readiness", "Responds 200 while the server takes requests, 503 while it is not ready or drains.",
			http.StatusServiceUnavailable),
		"metrics": op("metrics", "Metrics", "Metrics for Prometheus; 404 when metrics.enabled or metrics.public is false.",
			http.StatusNotFound, http.StatusInternalServerError, http.StatusServiceUnavailable),
	}
}

func (a API) operation(service string) operation {
	op := operation{
		Name: a.Name, OperationID: service + "__" + a.Name, Summary: a.Name, Tags: []string{apiTagName},
		RequestBody: &apiContent{Required: a.Input.Required(), Content: requestMedia(a.Input)},
		Responses:   map[string]*apiContent{},
	}
	for _, name := range a.PathParams {
		op.Parameters = append(op.Parameters, parameter{Name: name, In: "path", Required: true, Schema: map[string]any{"type": "string", "minLength": 1}})
	}
	op.Responses["200"] = &apiContent{Description: success, Content: media(a.ContentType, a.Output)}
	statuses := []int{
		http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusGatewayTimeout,
	}
	if a.Sheds {
		statuses = append(statuses, http.StatusServiceUnavailable)
	}
	for _, status := range statuses {
		op.Responses[strconv.Itoa(status)] = failure(status)
	}
	if shed := op.Responses["503"]; shed != nil {
		shed.Headers = retryAfter()
	}
	return op
}

// failure describes a response with an error.
func failure(status int) *apiContent {
	return &apiContent{
		Description: http.StatusText(status),
		Content:     map[string]apiMedia{"application/json": {Schema: map[string]string{"$ref": "#/components/schemas/Error"}}},
	}
}

// retryAfter describes the header of a 503.
func retryAfter() map[string]any {
	return map[string]any{"Retry-After": map[string]any{
		"description": "Seconds until another request may be admitted.",
		"schema":      map[string]any{"type": "integer", "minimum": 1},
	}}
}

// requestMedia describes the body of a request. The fields of a form that are not files
// are JSON.
func requestMedia(input *wire.Schema) map[string]apiMedia {
	kind := input.MediaType()
	body := apiMedia{Schema: input.OpenAPI()}
	if input.HasFiles() {
		body.Encoding = map[string]map[string]string{}
		for _, name := range input.Fields() {
			body.Encoding[name] = map[string]string{"contentType": "application/json"}
		}
	}
	return map[string]apiMedia{kind: body}
}

func media(contentType string, schema *wire.Schema) map[string]apiMedia {
	contentType, _, _ = strings.Cut(contentType, ";")
	return map[string]apiMedia{contentType: {Schema: schema.OpenAPI()}}
}

// errorSchema returns the schema of the body of every error.
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
			"error": map[string]string{"type": "string", "title": "Message"},
			"detail": map[string]any{
				"title": "Errors of an invalid input, or what the function gives",
				"anyOf": []any{map[string]any{"type": "array", "items": violation}, map[string]any{}},
			},
		},
	}
}
