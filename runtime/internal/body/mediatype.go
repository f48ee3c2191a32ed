package body

import (
	"net/http"
	"strings"
)

// checkType refuses bodies that cannot be JSON, before they are read. A body
// labelled as a form may be JSON: curl -d labels it so.
func checkType(kind string, accepts Accepts) *Refusal {
	switch {
	case accepts.Whole && strings.EqualFold(kind, multipartForm):
		return unsupported("The request body must be the file itself, found a form")
	case accepts.Whole:
		return nil
	case !accepts.Forms && strings.EqualFold(kind, multipartForm):
		return form()
	case strings.EqualFold(kind, "application/vnd.bentoml+pickle"):
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
func isForm(kind string, body []byte) bool {
	return strings.EqualFold(kind, multipartForm) || strings.EqualFold(kind, urlencodedForm) && len(body) > 0 && !strings.ContainsRune("{[\" \t\r\n", rune(body[0]))
}

// mediaType returns the media type of a body without its parameters; "": there is none.
func mediaType(header http.Header) string {
	types := header["Content-Type"]
	if len(types) == 0 {
		return ""
	}
	kind, _, _ := strings.Cut(types[0], ";")
	return strings.TrimSpace(kind)
}
