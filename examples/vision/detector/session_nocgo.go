//go:build !cgo

package detector

import "errors"

var errNoCgo = errors.New("this program was built without cgo, which ONNX Runtime needs; set CGO_ENABLED=1, install a C compiler, and build it again")

type session struct{}

func checkLibrary(string) error { return errNoCgo }

func openSession(string, string, int) (*session, error) { return nil, errNoCgo }

func (*session) run([]float32, int) ([]float32, error) { return nil, errNoCgo }

func (*session) close() error { return nil }
