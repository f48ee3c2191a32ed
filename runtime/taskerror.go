package runtime

import (
	"errors"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// taskError returns the response to an error of the store. The error stays one of package
// tasks for errors.Is.
func taskError(err error) error {
	response := &Error{Err: err}
	switch {
	case errors.Is(err, tasks.ErrNotFound):
		response.Status, response.Message = http.StatusNotFound, "task_id not found"
	case errors.Is(err, tasks.ErrFull):
		response.Status, response.Message, response.RetryAfter = http.StatusServiceUnavailable, "The store of the tasks is full", time.Second
	case errors.Is(err, tasks.ErrTooLarge):
		response.Status, response.Message = http.StatusRequestEntityTooLarge, "The request is too large: "+err.Error()
	case errors.Is(err, tasks.ErrKeyReused):
		response.Status, response.Message = http.StatusUnprocessableEntity, "The Idempotency-Key belongs to a task with another request; send each request with a key of its own"
	case errors.Is(err, tasks.ErrUnavailable): // the engine logs it
		response.Status, response.Message, response.RetryAfter = http.StatusServiceUnavailable, "The store of the tasks is not available; no task is lost, try again later", time.Second
	default:
		return err
	}
	return response
}
