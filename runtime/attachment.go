package runtime

import (
	"fmt"
	"image"
	"path"
	"strings"

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
