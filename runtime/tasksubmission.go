package runtime

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// submission returns a new task. content is what the function makes of the body; nil: the
// body itself.
func (a *api) submission(request tasks.Request, key string, content []byte) tasks.Submission {
	if content == nil {
		parts := [][]byte{request.Body}
		for _, name := range bodyHeaders {
			parts = append(parts, []byte(request.Header.Get(name)))
		}
		content = digest(parts...)
	}
	return tasks.Submission{ID: tasking.NewID(), API: a.taskName(), Request: request, Key: key, Digest: digest([]byte(request.Path), content)}
}

// digest tells parts from others.
func digest(parts ...[]byte) []byte {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(fmt.Appendf(nil, "%d:", len(part)))
		hash.Write(part)
	}
	return hash.Sum(nil)
}

// contentOf tells a form from others by its fields and files: a client chooses a new
// boundary each time. For another body it returns nil.
func contentOf(s *scratch) ([]byte, error) {
	if !s.body.Form {
		return nil, nil
	}
	content := digest(s.body.Bytes())
	for _, file := range s.body.Files {
		hash := sha256.New()
		if _, err := io.Copy(hash, io.NewSectionReader(file, 0, file.Size())); err != nil {
			return nil, err
		}
		content = digest(content, []byte(file.Name), []byte(file.Type), hash.Sum(nil))
	}
	return content, nil
}
