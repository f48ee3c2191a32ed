//go:build cgo

package detector

import (
	"errors"
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// The names of the graph's input and of its output.
const (
	input  = "x"
	output = "sigmoid_0.tmp_0"
)

// session runs the graph of a model.
type session struct{ opened *ort.DynamicAdvancedSession }

// ONNX Runtime has one environment in a process.
var environment sync.Mutex

func checkLibrary(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("ONNX Runtime: %w; go run ./fetch makes it", err)
	}
	return nil
}

func openSession(model, library string, threads int) (*session, error) {
	environment.Lock()
	defer environment.Unlock()
	if !ort.IsInitialized() {
		ort.SetSharedLibraryPath(library)
		if err := ort.InitializeEnvironment(); err != nil {
			return nil, fmt.Errorf("%s: %w; remove the file, and go run ./fetch makes it again", library, err)
		}
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = options.SetIntraOpNumThreads(threads)
	opened, err2 := ort.NewDynamicAdvancedSession(model, []string{input}, []string{output}, options)
	if err := errors.Join(err, err2, options.Destroy()); err != nil {
		return nil, fmt.Errorf("%s: %w", model, err)
	}
	return &session{opened}, nil
}

// run returns the probability that a pixel is text, for each pixel of some images.
func (s *session) run(pixels []float32, images int) ([]float32, error) {
	in, err := ort.NewTensor(ort.NewShape(int64(images), 3, side, side), pixels)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Destroy() }()
	maps := make([]float32, images*side*side)
	out, err := ort.NewTensor(ort.NewShape(int64(images), 1, side, side), maps)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Destroy() }()
	return maps, s.opened.Run([]ort.Value{in}, []ort.Value{out})
}

func (s *session) close() error { return s.opened.Destroy() }
