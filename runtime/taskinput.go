package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"github.com/ekiben-serving/ekiben/runtime/internal/images"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// inputEncoder returns how an input becomes the body and the header of a request: as a
// file, as a form with files, or as any result is encoded.
func inputEncoder[In any](input *wire.Input[In]) func(to *bytes.Buffer, header http.Header, in In) error {
	switch {
	case input == nil: // the declaration has an error
		return nil
	case input.Schema().WholeFile():
		return func(to *bytes.Buffer, header http.Header, in In) error {
			file, err := fileOf(in)
			if err != nil {
				return err
			}
			if file.name != "" {
				header.Set("Content-Disposition", disposition(file.name, ""))
			}
			if file.contentType != "" {
				header.Set("Content-Type", file.contentType)
			}
			_, err = io.Copy(to, file.Reader())
			return err
		}
	case input.Schema().HasFiles():
		return func(to *bytes.Buffer, header http.Header, in In) error {
			kind, err := writeForm(to, input, in)
			header.Set("Content-Type", kind)
			return err
		}
	}
	out, err := wire.NewOutput[In]()
	return func(to *bytes.Buffer, header http.Header, in In) error {
		if err != nil {
			return err
		}
		header.Set("Content-Type", out.ContentType())
		return out.Encode(to, in)
	}
}

func writeForm[In any](to *bytes.Buffer, input *wire.Input[In], in In) (string, error) {
	parts, err := input.Parts(in)
	if err != nil {
		return "", err
	}
	form := multipart.NewWriter(to)
	for _, part := range parts {
		if err := writePart(form, part); err != nil {
			return "", fmt.Errorf("%s: %w", part.Name, err)
		}
	}
	return form.FormDataContentType(), form.Close()
}

func writePart(form *multipart.Writer, part wire.Part) error {
	if part.JSON != nil {
		return form.WriteField(part.Name, string(part.JSON))
	}
	file, err := fileOf(part.File)
	if err != nil {
		return err
	}
	name := file.name
	if name == "" {
		name = "file"
	}
	header := textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(part.Name, name)}}
	if file.contentType != "" {
		header.Set("Content-Type", file.contentType)
	}
	content, err := form.CreatePart(header)
	if err == nil {
		_, err = io.Copy(content, file.Reader())
	}
	return err
}

// fileOf returns a value of an attachment as a file.
func fileOf(value any) (File, error) {
	picture := Image{}
	switch value := value.(type) {
	case File:
		return value, nil
	case Image:
		picture = value
	case image.Image:
		picture.Image = value
	}
	if picture.Image == nil {
		return File{}, errors.New("an image must not be nil")
	}
	var content bytes.Buffer
	kind, err := images.Encode(&content, picture.Image, picture.Format)
	return NewFile("", kind, content.Bytes()), err
}
