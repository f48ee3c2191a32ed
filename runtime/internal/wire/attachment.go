package wire

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Attachment is a type whose values are not JSON but files: parts of a form, or a whole
// body. This package knows no files: in the JSON of a form, a file is its index.
type Attachment struct {
	of      reflect.Type
	format  string // in the schema
	pil     bool   // BentoML's client gives the file as an image
	read    func(file any, accept string) (any, error)
	decoder func(values map[int]any) *json.Unmarshalers
	encoder func(files *[]any) *json.Marshalers
}

// NewAttachment makes T an attachment. read makes a T of a file; accept is the field's
// tag contentType. Its error is sent to the client. format is "binary" or "image".
func NewAttachment[T any](format string, read func(file any, accept string) (T, error)) Attachment {
	return Attachment{
		of: reflect.TypeFor[T](), format: format, pil: format == "image",
		read: func(file any, accept string) (any, error) { return read(file, accept) },
		decoder: func(values map[int]any) *json.Unmarshalers {
			return json.UnmarshalFromFunc(func(dec *jsontext.Decoder, into *T) error {
				var index int
				err := json.UnmarshalDecode(dec, &index)
				*into, _ = values[index].(T)
				return err
			})
		},
		encoder: func(files *[]any) *json.Marshalers {
			return json.MarshalToFunc(func(enc *jsontext.Encoder, file T) error {
				*files = append(*files, file)
				return enc.WriteToken(jsontext.Int(int64(len(*files) - 1)))
			})
		},
	}
}

// Files are the files of a body. The zero Files is a body without files, such as JSON.
type Files struct {
	Form bool // the body was a form
	List []any
}

// attached is the state of decoding the files of one body.
type attached struct {
	files  Files
	values map[int]any // what was made of the files, by index
}

// options returns base with decoders that replace indices by what was made of the files.
func (a *attached) options(base json.Options, attachments []Attachment) json.Options {
	if a.values == nil {
		return base
	}
	var decoders []*json.Unmarshalers
	for _, one := range attachments {
		decoders = append(decoders, one.decoder(a.values))
	}
	others, _ := json.GetOption(base, json.WithUnmarshalers)
	return json.JoinOptions(base, json.WithUnmarshalers(json.JoinUnmarshalers(append(decoders, others)...)))
}

// Part is a part of a form: a parameter that is a file, or one whose value is JSON.
type Part struct {
	Name string
	JSON []byte // nil: a file
	File any
}

// Parts returns the form that Decode would read as v.
func (in *Input[T]) Parts(v T) ([]Part, error) {
	var files []any
	var encoders []*json.Marshalers
	for _, one := range in.attachments {
		encoders = append(encoders, one.encoder(&files))
	}
	encoded, err := json.Marshal(in.view(&v), in.options, json.WithMarshalers(json.JoinMarshalers(encoders...)))
	if err != nil {
		return nil, err
	}
	values := map[string]jsontext.Value{}
	if err := json.Unmarshal(encoded, &values); err != nil {
		return nil, err
	}
	var parts []Part
	for _, f := range in.node.fields {
		value, isFile := values[f.name], in.node.isFile(f.name)
		switch {
		case value == nil, isFile && value.Kind() == 'n': // left out, or no file
			continue
		case !isFile:
			parts = append(parts, Part{Name: f.name, JSON: value})
			continue
		}
		var indices []int
		if err := json.Unmarshal(append(append([]byte{'['}, bytes.Trim(value, "[]")...), ']'), &indices); err != nil {
			return nil, err
		}
		for _, i := range indices {
			parts = append(parts, Part{Name: f.name, File: files[i]})
		}
	}
	return parts, nil
}

// attachment returns the node of an attachment, or nil for any other type.
func (c *compiler) attachment(t reflect.Type) *node {
	for i := range c.attachments {
		if c.attachments[i].of == t {
			return &node{kind: kindFile, attachment: &c.attachments[i]}
		}
	}
	return nil
}

// placeFiles adds an error for each attachment that is neither n, nor, for an input, a
// field of n or in a list that is a field of n.
func (c *compiler) placeFiles(n *node, where string) {
	if n.kind == kindFile && n.nullable {
		c.failf(where, "must not be a pointer: a whole body is always a file")
	}
	if n.kind != kindObject || c.output {
		c.noFiles(n, where, map[*node]bool{})
		return
	}
	seen := map[*node]bool{n: true}
	for _, f := range n.fields {
		below := f.node
		if below.kind == kindList {
			below = below.elem
		}
		if below.kind != kindFile {
			c.noFiles(below, where+"."+f.goName, seen)
		}
	}
}

func (c *compiler) noFiles(n *node, where string, seen map[*node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	refuse := func(below *node, where string) {
		switch {
		case below == nil || below.kind != kindFile:
		case c.output:
			c.failf(where, "a file must be the whole result")
		default:
			c.failf(where, "a file must be a parameter, in a list that is a parameter, or the whole input, because a form has files on its top level only")
		}
		c.noFiles(below, where, seen)
	}
	refuse(n.elem, where+"[]")
	for _, f := range n.fields {
		refuse(f.node, where+"."+f.goName)
	}
}

// contentType returns the node with the media type that the tag contentType asks of a
// file, or of each file of a list.
func (t tagReader) contentType() *node {
	text, ok := t.field.Tag.Lookup("contentType")
	if !ok {
		return t.node
	}
	whole, n := *t.node, t.node
	if n.kind == kindList {
		n = n.elem
	}
	kind, sub, slash := strings.Cut(text, "/")
	_, bad := path.Match(text, "")
	switch {
	case n.kind != kindFile:
		t.c.failf(t.where, "tag contentType:%q: does not apply to %s", text, typeName(t.field.Type))
	case !slash || kind == "" || sub == "" || strings.ContainsAny(text, "; ") || bad != nil:
		t.c.failf(t.where, `tag contentType:%q: must be a media type without parameters, such as "audio/wav" or "audio/*"`, text)
	case n == t.node:
		whole.accept = text
	default:
		file := *n
		whole.elem, file.accept = &file, text
	}
	return &whole
}

// coerceFile reads the file at an index. The JSON of a form has a list of indices for
// each name, and null for a value that is no file.
func (n *node) coerceFile(v any, loc []any, wrong *violations) any {
	text, _ := v.(raw)
	if !wrong.attached.files.Form {
		wrong.add(loc, &fault{"path_type", "Invalid file type"})
		return nil
	}
	references := strings.Split(strings.Trim(string(text), "[]"), ",")
	if len(references) > 1 {
		wrong.add(loc, &fault{"too_long", fmt.Sprintf("Input should be one file, not %d", len(references))})
		return nil
	}
	index, err := strconv.Atoi(references[0])
	if err != nil {
		wrong.add(loc, &fault{"path_type", "Invalid file type: a file is a part of a multipart form with a filename"})
		return nil
	}
	n.readFile(index, loc, wrong)
	return number(references[0])
}

func (n *node) readFile(index int, loc []any, wrong *violations) {
	value, err := n.attachment.read(wrong.attached.files.List[index], n.accept)
	if err != nil {
		wrong.add(loc, &fault{"value_error", "Value error, " + err.Error()})
		return
	}
	if wrong.attached.values == nil {
		wrong.attached.values = map[int]any{}
	}
	wrong.attached.values[index] = value
}

// fileSchema writes a file as BentoML does. OpenAPI has no type for files.
func (n *node) fileSchema(o *object, w writing) {
	format := n.attachment.format
	if w.openAPI {
		o.put("type", "string").put("format", rawBytes)
		return
	}
	o.put("type", "file")
	if n.accept != "" {
		format, _, _ = strings.Cut(n.accept, "/")
		o.put("content_type", n.accept)
	}
	o.put("format", format)
	if n.attachment.pil {
		o.put("pil", true)
	}
}

// IsFile reports whether the parameter of a name is a file or a list of files.
func (in *Input[T]) IsFile(name string) bool { return in.node.isFile(name) }

func (n *node) isFile(name string) bool {
	f := n.byName[name]
	return f != nil && (f.node.kind == kindFile || f.node.kind == kindList && f.node.elem.kind == kindFile)
}

// MediaType returns the media type of a body with this schema.
func (s *Schema) MediaType() string {
	switch {
	case s.HasFiles():
		return "multipart/form-data"
	case s.text:
		return "text/plain"
	case s.node.kind == kindFile && s.node.attachment.pil:
		return "image/*"
	case s.bytes, s.WholeFile():
		return "application/octet-stream"
	}
	return "application/json"
}

// Fields returns the names of the parameters that are not files.
func (s *Schema) Fields() (names []string) {
	for _, f := range s.node.fields {
		if !s.node.isFile(f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// HasFiles reports whether a parameter is a file. WholeFile reports whether the body is.
func (s *Schema) HasFiles() bool {
	for _, f := range s.node.fields {
		if s.node.isFile(f.name) {
			return true
		}
	}
	return false
}

// WholeFile reports whether the whole body is a file.
func (s *Schema) WholeFile() bool { return s.node.kind == kindFile }
