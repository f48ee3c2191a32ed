package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// mostFields bounds the fields of a form, as in BentoML.
const mostFields = 1000

// fields replaces a form by the JSON object of its fields. As in BentoML, a value that is
// JSON stays as it is, any other value is a string, and of several values with one name the
// last one is used.
func (b *Reader) fields(header http.Header) *Refusal {
	names, values, err := parseForm(header.Get("Content-Type"), b.Bytes())
	if err != nil {
		return &Refusal{Status: http.StatusBadRequest, Message: "The form cannot be read: " + err.Error(), Err: err}
	}
	object := []byte{'{'}
	for i, name := range names {
		value := values[name]
		if !utf8.ValidString(name) || !utf8.Valid(value) {
			return &Refusal{Status: http.StatusBadRequest, Message: fmt.Sprintf("The form cannot be read: field %q is not UTF-8", name)}
		}
		if i > 0 {
			object = append(object, ',')
		}
		object, _ = jsontext.AppendQuote(object, name)
		object = append(object, ':')
		if jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true)) {
			object = append(object, value...)
		} else {
			object, _ = jsontext.AppendQuote(object, value)
		}
	}
	b.Buffer.Reset()
	b.Write(append(object, '}'))
	return nil
}

// parseForm returns the names of a form's fields in order, and their values.
func parseForm(contentType string, form []byte) (names []string, values map[string][]byte, err error) {
	values = map[string][]byte{}
	set := func(name string, value []byte) error {
		if _, again := values[name]; !again {
			names = append(names, name)
		}
		values[name] = value
		if len(names) > mostFields {
			return fmt.Errorf("it must have at most %d fields", mostFields)
		}
		return nil
	}
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, nil, fmt.Errorf("Content-Type: %w", err)
	}
	if isType(http.Header{"Content-Type": {contentType}}, multipartForm) {
		err := readParts(form, parameters["boundary"], set)
		return names, values, err
	}
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		if len(pair) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(pair, []byte("="))
		key, err1 := url.QueryUnescape(string(name))
		text, err2 := url.QueryUnescape(string(value))
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, err
		}
		if err := set(key, []byte(text)); err != nil {
			return nil, nil, err
		}
	}
	return names, values, nil
}

func readParts(form []byte, boundary string, set func(name string, value []byte) error) error {
	if boundary == "" {
		return errors.New(`Content-Type must have the parameter "boundary"`)
	}
	parts := multipart.NewReader(bytes.NewReader(form), boundary)
	for number := 1; ; number++ {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // a wrapped one is a form that ended early
			return nil
		}
		if err != nil {
			return fmt.Errorf("part %d: %w", number, err)
		}
		if part.FormName() == "" {
			return fmt.Errorf("part %d: Content-Disposition must be form-data with a name, found %q", number, part.Header.Get("Content-Disposition"))
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return fmt.Errorf("part %d, field %q: %w", number, part.FormName(), err)
		}
		if err := set(part.FormName(), value); err != nil {
			return err
		}
	}
}
