package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
)

// File is a file of a request, or a result that is sent as a file.
//
// As a field of an input, or as a slice, it is a file of a multipart form; as the whole
// input, it is the request's body. A field with the tag contentType:"audio/wav" or
// contentType:"audio/*" takes files of that Content-Type only; a file that was sent
// without a Content-Type is taken. A pointer is nil if there is no such file. What
// exceeds the key files.memory is kept on disk. A File of a request can be read until
// the function returns, and while the batch runs that has it.
//
// A result is sent with the headers Content-Disposition, ETag and Last-Modified, and a
// client can ask for a range of it. Its Content-Type is its own, else that of its name's
// extension, else that of [ContentType], else application/octet-stream. It is closed
// when it was sent.
//
// A File is safe for concurrent use. The zero File is empty and has no name.
type File struct {
	name, contentType string
	content           io.ReaderAt // nil: empty
	size              int64
	modified          time.Time
}

// NewFile returns a file with a name, a Content-Type and a content in memory, for a
// result, a test or a call in process. Name and contentType may be "". Folders and control
// characters of name are dropped. contentType may have parameters, which are sent too.
func NewFile(name, contentType string, content []byte) File {
	return File{name: body.BaseName(name), contentType: contentType, content: bytes.NewReader(content), size: int64(len(content))}
}

// OpenFile opens a file on disk, for a result or a call in process. Its name is the last
// part of path, without control characters.
func OpenFile(path string) (File, error) {
	disk, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	info, err := disk.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: must be a regular file", path)
	}
	if err != nil {
		return File{}, errors.Join(err, disk.Close())
	}
	return File{name: body.BaseName(filepath.Base(path)), content: disk, size: info.Size(), modified: info.ModTime()}, nil
}

// Name returns the file's name, without folders and control characters. "": none.
func (f File) Name() string { return f.name }

// ContentType returns the Content-Type: of a file of a request the media type that the
// client sent, without parameters, else what [NewFile] got. "": none.
func (f File) ContentType() string { return f.contentType }

// Size returns the size in bytes.
func (f File) Size() int64 { return f.size }

// Reader returns a new reader of the content, from its beginning.
func (f File) Reader() *io.SectionReader {
	if f.content == nil {
		return io.NewSectionReader(bytes.NewReader(nil), 0, 0)
	}
	return io.NewSectionReader(f.content, 0, f.size)
}

// Bytes returns the whole content.
func (f File) Bytes() ([]byte, error) { return io.ReadAll(f.Reader()) }

// Close closes a file of [OpenFile] that is not sent as a result. For other files it does
// nothing.
func (f File) Close() error {
	if disk, ok := f.content.(*os.File); ok {
		return disk.Close()
	}
	return nil
}
