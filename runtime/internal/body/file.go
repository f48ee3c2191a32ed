package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is a file of a request, in memory or on disk. It is safe for concurrent use.
type File struct {
	Name string // without folders; "": none
	Type string // the Content-Type that the client sent; "": none

	data []byte
	disk *os.File // nil: data has the content
	size int64
	left string // the path on disk, if it still has one
}

// Size returns the size in bytes.
func (f *File) Size() int64 { return f.size + int64(len(f.data)) }

// ReadAt reads a part of the content.
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	if f.disk != nil {
		return f.disk.ReadAt(p, at)
	}
	return bytes.NewReader(f.data).ReadAt(p, at)
}

// Close removes the file from the disk. What is in memory can still be read.
func (f *File) Close() error {
	if f.disk == nil {
		return nil
	}
	err := f.disk.Close()
	if f.left != "" {
		err = errors.Join(err, os.Remove(f.left)) //nolint:gosec // a name of os.CreateTemp
	}
	return err
}

// Spool says where the files of a request are kept.
type Spool struct {
	Memory    int64  // bytes of all files of a request that stay in memory
	Directory string // of the others; "": that of os.TempDir
	MaxFiles  int    // of a form; 0: no limit

	share *share // of the body, which shrinks by what is on disk; nil: none
}

// Check returns an error if files cannot be written to the directory.
func (s Spool) Check() error {
	f, err := s.create()
	if err == nil {
		err = f.Close()
	}
	return err
}

// diskError is an error of the directory of files.
type diskError struct {
	directory string
	err       error
}

func (e *diskError) Error() string {
	return fmt.Sprintf("files cannot be kept in the directory %s: %v", e.directory, e.err)
}
func (e *diskError) Unwrap() error { return e.err }

// unstored is the response while the disk refuses files.
func unstored(err error) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Message: "The files of the request cannot be stored", Err: err, Unread: true}
}

// create makes a file without a name: it ends with the process, also if the process is
// killed. On systems where an open file cannot lose its name, Close removes it.
func (s Spool) create() (*File, error) {
	directory := s.Directory
	if directory == "" {
		directory = os.TempDir()
	}
	disk, err := os.CreateTemp(directory, "ekiben-upload-*")
	if err != nil {
		if path := (*os.PathError)(nil); errors.As(err, &path) {
			err = path.Err // without the name, which is random
		}
		return nil, &diskError{directory, err}
	}
	f := &File{disk: disk}
	if err := os.Remove(disk.Name()); err != nil {
		f.left = disk.Name()
	}
	return f, nil
}

// store reads a file. It stays in memory if it fits beside the files before it.
func (s Spool) store(from io.Reader, name, mediaType string, before []*File) (*File, error) {
	free := s.Memory
	for _, f := range before {
		free -= int64(len(f.data))
	}
	var head bytes.Buffer
	_, err := head.ReadFrom(io.LimitReader(from, min(max(free, 0), math.MaxInt64-1)+1))
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(mediaType)
	if int64(head.Len()) <= free || head.Len() == 0 {
		return &File{Name: BaseName(name), Type: kind, data: head.Bytes()}, nil
	}
	f, err := s.create()
	if err != nil {
		return nil, err
	}
	f.Name, f.Type = BaseName(name), kind
	to := &toDisk{f, s.share, nil}
	f.size, err = io.Copy(to, io.MultiReader(&head, from))
	if to.err != nil {
		err = &diskError{filepath.Dir(f.disk.Name()), to.err}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// toDisk writes to a file and remembers why it failed.
type toDisk struct {
	file  *File
	share *share
	err   error
}

func (t *toDisk) Write(p []byte) (int, error) {
	n, err := t.file.disk.Write(p)
	t.err = err
	if t.share != nil {
		t.share.shrink(int64(n))
	}
	return n, err
}

// readFile reads the whole body as one file.
func (b *Reader) readFile(header http.Header, spool Spool) (malformed *Refusal, err error) {
	from := &source{Reader: &b.limited}
	_, parameters, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	file, err := spool.store(from, parameters["filename"], header.Get("Content-Type"), nil)
	switch {
	case from.err != nil:
		return nil, from.err
	case err != nil:
		return unstored(err), nil
	}
	b.Files = []*File{file}
	return nil, nil
}

const longestName = 255 // bytes, as on most file systems

// BaseName returns the last part of a file name, without folders and control characters, or
// "".
func BaseName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	for len(name) > longestName {
		_, size := utf8.DecodeRuneInString(name) // the end has the extension
		name = name[size:]
	}
	if strings.Trim(name, ". ") == "" {
		return ""
	}
	return name
}
