package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"mime"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/images"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// encoder returns how a result is encoded: as a file, as an image, or by out.
func encoder[Out any](a *api, out *wire.Output[Out]) func(s *scratch, result Out) error {
	switch any((*Out)(nil)).(type) {
	case *File:
		return func(s *scratch, result Out) error {
			file := any(result).(File)
			s.file = &file
			return nil
		}
	case *Image:
		return func(s *scratch, result Out) error { return s.encodeImage(any(result).(Image), a.contentType) }
	case *image.Image:
		return func(s *scratch, result Out) error {
			picture, _ := any(result).(image.Image)
			return s.encodeImage(Image{Image: picture}, a.contentType)
		}
	}
	return func(s *scratch, result Out) error { return out.Encode(&s.out, result) }
}

// decodeResult reads the response that an encoder made.
func decodeResult[Out any](out *wire.Output[Out], header http.Header, content []byte, into *Out) (err error) {
	switch into := any(into).(type) {
	case *File:
		_, parameters, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
		*into = NewFile(parameters["filename"], header.Get("Content-Type"), content)
		return nil
	case *Image:
		into.Image, into.Format, err = (&images.Budget{}).Decode(bytes.NewReader(content))
		return err
	case *image.Image:
		*into, _, err = (&images.Budget{}).Decode(bytes.NewReader(content))
		return err
	}
	return out.Decode(content, into)
}

func (s *scratch) encodeImage(result Image, declared string) (err error) {
	if result.Image == nil {
		return errors.New("the function returned no image and no error")
	}
	if declared != "" {
		result.Format = strings.TrimPrefix(declared, "image/")
	}
	s.contentType, err = images.Encode(&s.out, result.Image, result.Format)
	return err
}

// checkResultType returns an error for a declared Content-Type that the results of an API
// cannot have.
func checkResultType(declared, actual string) error {
	if actual == "image/*" && declared != "" && !images.Writes(declared) {
		return fmt.Errorf("must be image/png, image/jpeg or image/gif for a result that is an image, found %q", declared)
	}
	return checkJSONType(declared, actual)
}

// checkJSONType returns an error if a result in JSON is declared as neither JSON nor text.
func checkJSONType(declared, actual string) error {
	kind, _, _ := mime.ParseMediaType(declared)
	if kind == "" || actual != "application/json" || strings.HasPrefix(kind, "text/") || strings.Contains(kind, "json") {
		return nil // also if nothing is declared
	}
	return fmt.Errorf("must be JSON or text for a result that is sent as JSON, found %q; a result with another media type is a string", declared)
}
