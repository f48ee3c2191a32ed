// Package detector finds lines of text in images with the detector of PP-OCRv4, as the Python
// package rapidocr-onnxruntime does.
package detector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
)

// The files of a model's folder, which the command fetch makes.
const (
	ModelFile   = "ch_PP-OCRv4_det_infer.onnx"
	LibraryFile = "libonnxruntime.so"
)

const modelSum = "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"

// MaxImages is how many images a run of the model computes at most.
const MaxImages = 8

// Folder is where the files are by default: the value of the variable TEXT_DETECTOR_FOLDER, or a
// folder in the user's cache.
func Folder() string {
	if folder := os.Getenv("TEXT_DETECTOR_FOLDER"); folder != "" {
		return folder
	}
	cache, err := os.UserCacheDir()
	if err != nil { // neither HOME nor XDG_CACHE_HOME
		cache = os.TempDir()
	}
	return filepath.Join(cache, "ekiben", "text-detector")
}

// Options say how a model runs.
type Options struct {
	// Threads is how many threads a run may use. 0: one for each processor.
	Threads int
	// Library is the file of ONNX Runtime. "": the one in the model's folder that the command
	// fetch puts there.
	Library string
}

// Box is around a line of text, in pixels from the top left corner of the image. It is upright,
// also around a slanted line.
type Box struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
	// Score is the mean probability that pixels of the line are text, from 0.5 to 1.
	Score float32 `json:"score"`
}

// Detector finds lines of text. It is safe for concurrent use.
type Detector struct{ session *session }

// Open loads the model of a folder. It returns an error for each file that is missing, and for
// weights that are not those that fetch gets.
func Open(folder string, opts Options) (*Detector, error) {
	library := opts.Library
	if library == "" {
		library = filepath.Join(folder, LibraryFile)
	}
	model := filepath.Join(folder, ModelFile)
	if err := errors.Join(checkModel(model), checkLibrary(library)); err != nil {
		return nil, err
	}
	opened, err := openSession(model, library, opts.Threads)
	if err != nil {
		return nil, err
	}
	return &Detector{opened}, nil
}

// Close frees the memory of the model.
func (d *Detector) Close() error { return d.session.close() }

func checkModel(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: does not exist; go run ./fetch makes it", path)
	} else if err != nil {
		return err
	}
	if found := sha256.Sum256(content); hex.EncodeToString(found[:]) != modelSum {
		return fmt.Errorf("%s: its SHA-256 must be %s, found %x in %d bytes; remove the file, and go run ./fetch makes it again", path, modelSum, found, len(content))
	}
	return nil
}

// Detect returns the boxes of each image, from top to bottom: an empty list without text. It ends
// early, with the error of ctx, between two runs of the model.
func (d *Detector) Detect(ctx context.Context, images []image.Image) ([][]Box, error) {
	boxes := make([][]Box, 0, len(images))
	for some := range slices.Chunk(images, MaxImages) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pixels := make([]float32, 0, len(some)*3*side*side)
		for _, one := range some {
			pixels = appendPixels(pixels, one)
		}
		maps, err := d.session.run(pixels, len(some))
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", ModelFile, err)
		}
		for i, one := range some {
			boxes = append(boxes, find(maps[i*side*side:(i+1)*side*side], one.Bounds().Size()))
		}
	}
	return boxes, nil
}
