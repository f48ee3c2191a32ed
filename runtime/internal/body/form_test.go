package body

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A form is refused, or becomes a JSON object.
func FuzzForm(f *testing.F) {
	for _, row := range [][2]string{
		{urlencodedForm, "a=1&b=x+y&a=%26"}, {urlencodedForm, "&=&a"},
		{multipartForm + "; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--"},
		{multipartForm + "; boundary=\"x y\"", "--x y\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n{}\r\n--x y--"},
		{multipartForm, ""},
	} {
		f.Add(row[0], []byte(row[1]))
	}
	f.Fuzz(func(t *testing.T, contentType string, form []byte) {
		var b Reader
		b.Write(form)
		refused := b.fields(http.Header{"Content-Type": {contentType}})
		if refused != nil {
			if refused.Status != http.StatusBadRequest || refused.Message == "" {
				t.Error(refused)
			}
			return
		}
		if object := jsontext.Value(b.Bytes()); object.Kind() != '{' || !object.IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Errorf("got %s", object)
		}
	})
}
