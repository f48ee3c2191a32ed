package body

import (
	"net/http"
	"strings"
)

// checkType refuses bodies that cannot be JSON, before they are read. A body
// labelled as a form may be JSON: curl -d labels it so.
func checkType(header http.Header, accepts Accepts) *Refusal {
	switch {
	case accepts.Whole && isType(header, multipartForm):
		return unsupported("The request body must be the file itself, found a form")
	case accepts.Whole:
		return nil
	case !accepts.Forms && isType(header, multipartForm):
		return form()
	case isType(header, "application/vnd.bentoml+pickle"):
		return unsupported("The request body must be JSON, found Python's pickle")
	}
	return nil
}

const (
	multipartForm  = "multipart/form-data"
	urlencodedForm = "application/x-www-form-urlencoded"
)

func form() *Refusal { return unsupported("The request body must be the input itself, found a form") }

// isForm reports whether a body is labelled as a form and looks like one. A body
// with any other label, or none, is read as JSON, as in BentoML.
func isForm(header http.Header, body []byte) bool {
	return isType(header, multipartForm) || isType(header, urlencodedForm) && len(body) > 0 && !strings.ContainsRune("{[\" \t\r\n", rune(body[0]))
}

// isType compares the media type without its parameters.
func isType(header http.Header, want string) bool {
	types := header["Content-Type"]
	if len(types) == 0 {
		return false
	}
	sent, _, _ := strings.Cut(types[0], ";")
	return strings.EqualFold(strings.TrimSpace(sent), want)
}
