package body

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// mostFields bounds the fields of a form, as in BentoML.
const mostFields = 1000

// fields are the fields of a form in order. Of several values with one name, the last one
// is used, as in BentoML; all files of a name are.
type fields struct {
	names  []string
	values map[string][]byte
	files  map[string][]int // indices of the files of a name; noFile: a value that is not a file
}

const noFile = -1

func (f *fields) known(name string) error {
	if _, again := f.values[name]; again || f.files[name] != nil {
		return nil
	}
	if f.names = append(f.names, name); len(f.names) > mostFields {
		return fmt.Errorf("it must have at most %d fields", mostFields)
	}
	return nil
}

func (f *fields) set(name string, value []byte) error {
	err := f.known(name)
	if f.values == nil {
		f.values = map[string][]byte{}
	}
	f.values[name] = value
	return err
}

// setValue sets a field to a value, which is not a file: its text must not become the index
// of one.
func (f *fields) setValue(name string, value []byte, accepts Accepts) error {
	if accepts.isFile(name) {
		return f.addFile(name, noFile)
	}
	return f.set(name, value)
}

func (f *fields) addFile(name string, index int) error {
	err := f.known(name)
	if f.files == nil {
		f.files = map[string][]int{}
	}
	f.files[name] = append(f.files[name], index)
	return err
}

// object returns the JSON object of the fields. As in BentoML, a value that is JSON stays
// as it is, and any other value is a string. A file is its index, and a value in place of
// a file is null.
func (f *fields) object() ([]byte, error) {
	object := []byte{'{'}
	for i, name := range f.names {
		value := f.values[name]
		if !utf8.ValidString(name) || !utf8.Valid(value) {
			return nil, fmt.Errorf("field %q is not UTF-8", name)
		}
		if i > 0 {
			object = append(object, ',')
		}
		object, _ = jsontext.AppendQuote(object, name)
		object = append(object, ':')
		switch files := f.files[name]; {
		case files != nil:
			object = appendIndices(object, files)
		case jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true)):
			object = append(object, value...)
		default:
			object, _ = jsontext.AppendQuote(object, value)
		}
	}
	return append(object, '}'), nil
}

func appendIndices(to []byte, files []int) []byte {
	to = append(to, '[')
	for i, index := range files {
		if i > 0 {
			to = append(to, ',')
		}
		if index == noFile {
			to = append(to, "null"...)
		} else {
			to = strconv.AppendInt(to, int64(index), 10)
		}
	}
	return append(to, ']')
}

// become replaces the body by the JSON object of the fields of a form.
func (b *Reader) become(form *fields) *Refusal {
	object, err := form.object()
	if err != nil {
		return badForm(err)
	}
	b.Form = true
	b.Buffer.Reset()
	b.Write(object)
	return nil
}

func badForm(err error) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Message: "The form cannot be read: " + err.Error(), Err: err}
}

// urlencoded replaces the fields of a URL-encoded form, which has no files, by a JSON object.
func (b *Reader) urlencoded(accepts Accepts) *Refusal {
	var form fields
	for pair := range bytes.SplitSeq(b.Bytes(), []byte("&")) {
		if len(pair) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(pair, []byte("="))
		key, err1 := url.QueryUnescape(string(name))
		text, err2 := url.QueryUnescape(string(value))
		if err := errors.Join(err1, err2, form.setValue(key, []byte(text), accepts)); err != nil {
			return badForm(err)
		}
	}
	return b.become(&form)
}
