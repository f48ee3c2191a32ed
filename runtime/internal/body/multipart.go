package body

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"unicode/utf8"
)

// source remembers why a body cannot be read, to tell this from a form that is wrong.
type source struct {
	io.Reader
	err error // nil: none, or the end
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF { // a wrapped one is a failure
		s.err = err
	}
	return n, err
}

// readParts replaces a multipart form by the JSON object of its fields, and keeps its
// files. It reads the form as it arrives.
func (b *Reader) readParts(header http.Header, accepts Accepts) (malformed *Refusal, err error) {
	from := &source{Reader: &b.limited}
	form, wrong := b.parts(from, header, accepts)
	if from.err != nil {
		return nil, from.err
	}
	if wrong != nil && !errors.As(wrong, new(*diskError)) {
		malformed = badForm(wrong)
	} else if wrong != nil {
		return unstored(wrong), nil
	}
	if _, err := io.Copy(io.Discard, from); err != nil { // what follows the last part counts to the limit
		return nil, err
	}
	if malformed == nil {
		malformed = b.become(form)
	}
	return malformed, nil
}

func (b *Reader) parts(from io.Reader, header http.Header, accepts Accepts) (*fields, error) {
	_, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("Content-Type: %w", err)
	case parameters["boundary"] == "":
		return nil, errors.New(`Content-Type must have the parameter "boundary"`)
	}
	form, reader := &fields{}, multipart.NewReader(from, parameters["boundary"])
	for number := 1; ; number++ {
		part, err := reader.NextPart()
		if err == io.EOF { // a wrapped one is a form that ended early
			return form, nil
		}
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", number, err)
		}
		if err := b.part(part, form, accepts); err != nil {
			return nil, fmt.Errorf("part %d%w", number, err)
		}
	}
}

// part reads one part into the form. Its errors follow the number of the part.
func (b *Reader) part(part *multipart.Part, form *fields, accepts Accepts) error {
	name := part.FormName()
	if name == "" {
		return fmt.Errorf(": Content-Disposition must be form-data with a name, found %q", part.Header.Get("Content-Disposition"))
	}
	_, parameters, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition")) // valid: it has a name
	fileName, isFile := parameters["filename"]
	if !accepts.isFile(name) {
		value, err := io.ReadAll(part)
		switch {
		case err != nil:
		case isFile && !utf8.Valid(value):
			err = errors.New("it is not UTF-8, and the API takes no file with this name")
		default:
			err = form.set(name, value)
		}
		return inField(name, err)
	}
	if !isFile {
		head, err := io.ReadAll(io.LimitReader(part, int64(len("null")+1)))
		if err == nil && (len(head) == 0 || string(head) == "null") { // an optional file that is not sent
			return nil
		}
		_, rest := io.Copy(io.Discard, part)
		return inField(name, errors.Join(err, rest, form.addFile(name, noFile)))
	}
	if most := accepts.Spool.MaxFiles; most > 0 && len(b.Files) == most {
		return inField(name, fmt.Errorf("it must have at most %d files", most))
	}
	file, err := accepts.Spool.store(part, fileName, part.Header.Get("Content-Type"), b.Files)
	if err != nil {
		return inField(name, err)
	}
	if fileName == "" && file.Size() == 0 { // a browser's form in which no file was chosen
		return file.Close()
	}
	index := len(b.Files)
	b.Files = append(b.Files, file)
	return inField(name, form.addFile(name, index))
}

func inField(name string, err error) error {
	if err != nil {
		err = fmt.Errorf(", field %q: %w", name, err)
	}
	return err
}
