package runtime

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// maskedMessage is BentoML's message for an error whose details are hidden.
const maskedMessage = "An unexpected error has occurred, please check the server log."

// responseTo returns the response for any error of a request. If masked is true,
// the response hides details, which must be logged.
func responseTo(err error) (response *Error, masked bool) {
	var invalid *wire.Invalid
	if errors.As(err, &invalid) {
		return &Error{Status: http.StatusBadRequest, Message: invalid.Error(), Detail: invalid.Violations}, false
	}
	var typed *Error
	chosen := errors.As(err, &typed) && typed != nil && typed.legal()
	var items, chosenFor batcher.Errors
	if errors.As(err, &items) && (!chosen || !errors.As(typed.Err, &chosenFor)) { // of a batchable API that the function called
		if lead, hides := leading(items); lead != nil {
			return lead, hides
		}
	}
	if chosen {
		return typed, typed.Err != nil && typed.Status >= 500
	}
	return &Error{Status: http.StatusInternalServerError, Message: maskedMessage}, true
}

// leading returns the response for items that failed: that of the first masked error, or
// of the first error if none is masked. It returns nil if no item failed.
func leading(failed batcher.Errors) (response *Error, masked bool) {
	for _, one := range failed.Unwrap() {
		first, hides := responseTo(one)
		if hides {
			return first, true
		}
		response = cmp.Or(response, first)
	}
	return response, false
}

// body returns the JSON of an error, in BentoML's format, and why Detail is not in it.
func (e *Error) body() (data []byte, lost error) {
	content := struct {
		Error  string `json:"error"`
		Detail any    `json:"detail,omitzero"`
	}{strings.ToValidUTF8(e.Message, "\uFFFD"), e.Detail}
	data, lost = json.Marshal(content)
	if lost != nil { // Detail cannot be encoded, and lost may hold internal data
		content.Detail = nil
		data, _ = json.Marshal(content) // a valid string always marshals
	}
	return data, lost
}

// writeError sends an error. It returns why the Detail of the error was not sent.
func writeError(w http.ResponseWriter, e *Error) error {
	body, lost := e.body()
	header := w.Header()
	header["Content-Type"] = jsonType
	if len(body) > smallBody || header["Connection"] != nil { // its goroutine may end before net/http computes it
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if e.RetryAfter > 0 {
		header["Retry-After"] = []string{strconv.FormatFloat(math.Ceil(e.RetryAfter.Seconds()), 'f', 0, 64)}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
	return lost
}

// jsonType is shared by all responses and must not be modified.
var jsonType = []string{"application/json"}
