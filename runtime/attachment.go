package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/images"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// attachments are the types whose values are files.
var attachments = []wire.Attachment{
	wire.NewAttachment("binary", func(file any, accept string) (File, error) {
		f := file.(received)
		return f.File, f.check(accept)
	}),
	wire.NewAttachment("image", func(file any, accept string) (Image, error) { return file.(received).decode(accept) }),
	wire.NewAttachment("image", func(file any, accept string) (image.Image, error) {
		decoded, err := file.(received).decode(accept)
		return decoded.Image, err
	}),
}

// received is a file of a request, and the bound of the pixels of all its images.
type received struct {
	File
	pixels *images.Budget
}

// check compares the Content-Type of a file with the tag contentType, with BentoML's message.
func (f received) check(accept string) error {
	if ok, _ := path.Match(strings.ToLower(accept), f.contentType); ok || accept == "" || f.contentType == "" {
		return nil
	}
	return fmt.Errorf("Invalid content type %s, expected %s", f.contentType, accept) //nolint:staticcheck // BentoML's message
}

func (f received) decode(accept string) (Image, error) {
	if err := f.check(accept); err != nil {
		return Image{}, err
	}
	decoded, format, err := f.pixels.Decode(f.Reader())
	return Image{decoded, format}, err
}

// files returns the files of the request for the decoder.
func (c *call) files(s *scratch) wire.Files {
	files := wire.Files{Form: s.body.Form}
	if len(s.body.Files) == 0 {
		return files
	}
	pixels := &images.Budget{Most: c.api.service.app.conf.Now().Files.MaxPixels}
	for _, one := range s.body.Files {
		files.List = append(files.List, received{File{name: one.Name, contentType: one.Type, content: one, size: one.Size()}, pixels})
	}
	return files
}

// spool says where the files of a request are kept.
func (a *App) spool() body.Spool {
	set := a.conf.Now().Files
	return body.Spool{Memory: set.Memory, Directory: set.Directory, MaxFiles: set.MaxFiles}
}

// checkSpool returns an error if an API takes files and they cannot be kept.
func (a *App) checkSpool() error {
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if accepts := one.codec.accepts(); !accepts.Whole && accepts.IsFile == nil {
				continue
			}
			if err := a.spool().Check(); err != nil {
				return fmt.Errorf("files.directory: %w, and API %q takes files", err, one.name)
			}
			return nil
		}
	}
	return nil
}

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
	return body.CheckResult(declared, actual)
}

// takes returns which bodies an input takes, and applies [RootInput].
func takes[In any](a *api, in *wire.Input[In]) body.Accepts {
	if in == nil { // the declaration has an error
		return body.Accepts{}
	}
	if a.rootInput {
		a.fail("runtime.RootInput", in.Root())
	}
	accepts := body.Accepts{Forms: in.Object(), Whole: in.Schema().WholeFile()}
	if in.Schema().HasFiles() {
		accepts.IsFile = in.IsFile
	}
	return accepts
}
