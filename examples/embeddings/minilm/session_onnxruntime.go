//go:build onnxruntime

package minilm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Backend is what computes.
const Backend = "ONNX Runtime"

// runtimeSession is a session of ONNX Runtime.
type runtimeSession struct{ session *ort.DynamicAdvancedSession }

// ONNX Runtime has one environment in a process.
var environment sync.Mutex

func openSession(folder string, opts Options) (session, error) {
	library := opts.Library
	if library == "" {
		library = filepath.Join(folder, LibraryFile)
	}
	if _, err := os.Stat(library); err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w; go run ./fetch -onnxruntime makes it", err)
	}
	environment.Lock()
	defer environment.Unlock()
	if !ort.IsInitialized() {
		ort.SetSharedLibraryPath(library)
		if err := ort.InitializeEnvironment(); err != nil {
			return nil, fmt.Errorf("%s: %w", library, err)
		}
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = options.SetIntraOpNumThreads(opts.Threads)
	opened, err2 := ort.NewDynamicAdvancedSession(filepath.Join(folder, GraphFile), []string{idsInput, maskInput}, []string{output}, options)
	if err := errors.Join(err, err2, options.Destroy()); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, GraphFile), err)
	}
	return &runtimeSession{opened}, nil
}

func (s *runtimeSession) run(rows [][]int32) ([][]float32, error) {
	columns := len(slices.MaxFunc(rows, func(a, b []int32) int { return len(a) - len(b) }))
	ids, mask := make([]int64, len(rows)*columns), make([]int64, len(rows)*columns)
	for i, row := range rows {
		for j, id := range row {
			ids[i*columns+j], mask[i*columns+j] = int64(id), 1
		}
	}
	shape := ort.NewShape(int64(len(rows)), int64(columns))
	first, err := ort.NewTensor(shape, ids)
	if err != nil {
		return nil, err
	}
	defer func() { _ = first.Destroy() }()
	second, err := ort.NewTensor(shape, mask)
	if err != nil {
		return nil, err
	}
	defer func() { _ = second.Destroy() }()
	flat := make([]float32, len(rows)*Dimensions)
	out, err := ort.NewTensor(ort.NewShape(int64(len(rows)), Dimensions), flat)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Destroy() }()
	if err := s.session.Run([]ort.Value{first, second}, []ort.Value{out}); err != nil {
		return nil, err
	}
	return split(flat), nil
}

func (s *runtimeSession) close() error { return s.session.Destroy() }

// split divides vectors that follow each other.
func split(flat []float32) [][]float32 {
	vectors := make([][]float32, 0, len(flat)/Dimensions)
	for ; len(flat) > 0; flat = flat[Dimensions:] {
		vectors = append(vectors, flat[:Dimensions:Dimensions])
	}
	return vectors
}
