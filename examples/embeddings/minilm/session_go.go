//go:build !onnxruntime

package minilm

import (
	"errors"
	"fmt"

	"github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/backends"
	"github.com/knights-analytics/hugot/options"
	"github.com/knights-analytics/hugot/pipelines"
)

// Backend is what computes: hugot, in Go alone. With the build tag onnxruntime it is ONNX Runtime.
const Backend = "hugot"

// goSession compiles the graph once for each shape of its input, and keeps that, so there are
// few: rows and columns are rounded up.
type goSession struct {
	session  *hugot.Session
	pipeline *pipelines.FeatureExtractionPipeline
}

var (
	rowSteps    = []int{1, 2, 4, 8, 16, MaxRows}
	columnSteps = []int{8, 16, 32, 64, 128, MaxTokens}
)

func openSession(folder string, _ Options) (session, error) {
	opened, err := hugot.NewGoSession(options.WithGoMLXBatchBuckets(rowSteps), options.WithGoMLXSequenceBuckets(columnSteps))
	if err != nil {
		return nil, err
	}
	pipeline, err := hugot.NewPipeline(opened, hugot.FeatureExtractionConfig{ModelPath: folder, Name: Name, OnnxFilename: GraphFile})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", folder, err), opened.Destroy())
	}
	return &goSession{opened, pipeline}, nil
}

func (s *goSession) run(rows [][]int32) (vectors [][]float32, err error) {
	batch := backends.NewBatch(len(rows))
	for _, row := range rows {
		in := backends.TokenizedInput{TokenIDs: make([]uint32, len(row)), AttentionMask: make([]uint32, len(row))}
		for i, id := range row {
			in.TokenIDs[i], in.AttentionMask[i] = uint32(id), 1
		}
		batch.Input = append(batch.Input, in)
		batch.MaxSequenceLength = max(batch.MaxSequenceLength, len(row))
	}
	defer func() { err = errors.Join(err, batch.Destroy()) }()
	if err := backends.CreateInputTensors(batch, s.pipeline.Model, s.pipeline.Runtime); err != nil {
		return nil, err
	}
	if err := s.pipeline.Forward(batch); err != nil {
		return nil, err
	}
	result, err := s.pipeline.Postprocess(batch)
	if err != nil {
		return nil, err
	}
	return result.Embeddings, nil
}

func (s *goSession) close() error { return s.session.Destroy() }
