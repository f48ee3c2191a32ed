package apidocs

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// taskRoute is a route below that of a task API.
type taskRoute struct {
	suffix, method string
	operation      operation
}

// taskRoutes returns the five routes of a task, described as BentoML does, except that
// each has an operationId of its own.
func (a API) taskRoutes(service string) []taskRoute {
	direct := a.operation(service)
	task := map[string]apiMedia{"application/json": {Schema: map[string]string{"$ref": "#/components/schemas/TaskStatusResponse"}}}
	id := parameter{Name: "task_id", In: "query", Required: true, Schema: map[string]any{"type": "string", "title": "Task ID"}}
	route := func(suffix, method, name, description string, content map[string]apiMedia, statuses ...int) taskRoute {
		op := operation{
			Name: a.Name + "_" + name, OperationID: service + "__" + a.Name + "_" + name, Summary: a.Name + " " + name, Description: description,
			Tags: []string{apiTagName}, Parameters: slices.Clone(direct.Parameters), Responses: map[string]*apiContent{"200": {Description: success, Content: content}},
		}
		if suffix == "/submit" {
			op.RequestBody = direct.RequestBody
			op.Parameters = append(op.Parameters, parameter{Name: "Idempotency-Key", In: "header", Schema: map[string]any{"type": "string", "maxLength": 255}})
		} else {
			op.Parameters = append(op.Parameters, id)
		}
		for _, status := range append(statuses, http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable) {
			op.Responses[strconv.Itoa(status)] = &apiContent{
				Description: http.StatusText(status),
				Content:     map[string]apiMedia{"application/json": {Schema: map[string]string{"$ref": "#/components/schemas/Error"}}},
			}
		}
		op.Responses["503"].Headers = retryAfter()
		return taskRoute{suffix, method, op}
	}
	get := route("/get", "get", "result", "Get result of task "+a.Name, direct.Responses["200"].Content, http.StatusNotFound, http.StatusConflict)
	failed := maps.Clone(direct.Responses) // of the function
	maps.Copy(failed, get.operation.Responses)
	get.operation.Responses = failed
	return []taskRoute{
		route("/submit", "post", "submit", "Submit a new task of "+a.Name, task, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusGatewayTimeout),
		route("/status", "get", "status", "Get status of task "+a.Name, task, http.StatusNotFound),
		get,
		route("/retry", "post", "retry", "Retry a task of "+a.Name, task, http.StatusNotFound),
		route("/cancel", "put", "cancel", "Cancel an in-progress task of "+a.Name, task, http.StatusNotFound, http.StatusConflict),
	}
}

// taskStatusSchema returns the schema of a response about a task. BentoML's requires both
// times, which its response to a submission does not have.
func taskStatusSchema() any {
	text := func(title string) map[string]any { return map[string]any{"type": "string", "title": title} }
	return map[string]any{
		"type":     "object",
		"title":    "TaskStatusResponse",
		"required": []string{"task_id", "status"},
		"properties": map[string]any{
			"task_id":     text("Task Id"),
			"status":      map[string]any{"type": "string", "title": "Status", "enum": []string{"in_progress", "completed", "failed", "cancelled"}},
			"created_at":  text("Created At"),
			"executed_at": text("Executed At"),
		},
	}
}
