// Package minilm computes sentence embeddings with the model all-MiniLM-L6-v2, as the Python
// package sentence-transformers does.
package minilm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// The files of a model's folder, which the command fetch makes. LibraryFile is only needed with
// the build tag onnxruntime.
const (
	GraphFile   = "model.onnx"
	LibraryFile = "libonnxruntime.so"
	vocabFile   = "vocab.txt"
)

// Copied are the files of the folder that are copies of those in the package of the weights.
var Copied = []string{vocabFile, "tokenizer.json", "config.json"}

// sums has the SHA-256 of the files that a model is opened from.
var sums = map[string]string{
	GraphFile: "6bead4789905cb25b3aadf503673fe511885a731cdc3aa0e16f242614b2b6efa",
	vocabFile: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

// MaxRows is how many texts a run of the model computes at most.
const MaxRows = 32

// Name is the name of the model.
const Name = "all-MiniLM-L6-v2"

// Folder is where the files are by default: the value of the variable MINILM_FOLDER, or a folder
// in the user's cache.
func Folder() string {
	if folder := os.Getenv("MINILM_FOLDER"); folder != "" {
		return folder
	}
	cache, err := os.UserCacheDir()
	if err != nil { // neither HOME nor XDG_CACHE_HOME
		cache = os.TempDir()
	}
	return filepath.Join(cache, "ekiben", Name)
}

// Threads is how many threads a run may use: the value of the variable MINILM_THREADS. Default and
// 0: one for each processor.
func Threads() (int, error) {
	text := os.Getenv("MINILM_THREADS")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("MINILM_THREADS: must be a whole number, 0 or more, found %q", text)
	}
	return n, nil
}

// Graph returns the model as an ONNX file, from its weights as a safetensors file.
func Graph(safetensors []byte) ([]byte, error) {
	w, err := readWeights(safetensors)
	if err != nil {
		return nil, err
	}
	return onnxModel(w), nil
}

// Check returns an error for tokens that the model cannot take.
func Check(tokens []int32) error {
	if len(tokens) == 0 || len(tokens) > MaxTokens {
		return fmt.Errorf("must have 1 to %d tokens, found %d", MaxTokens, len(tokens))
	}
	for i, id := range tokens {
		if id < 0 || id >= vocabulary {
			return fmt.Errorf("token %d must be 0 to %d, found %d", i, vocabulary-1, id)
		}
	}
	return nil
}

// Options say how a model runs.
type Options struct {
	// Threads is how many threads a run may use. 0: one for each processor.
	Threads int
	// Library is the file of ONNX Runtime, for a program built with the tag onnxruntime.
	// "": the file in the model's folder that the command fetch puts there.
	Library string
}

// Model computes embeddings. It is safe for concurrent use.
type Model struct {
	*Tokenizer
	session session
}

// session runs the graph of a model: each row of tokens gives a vector. There are 1 to MaxRows.
type session interface {
	run(rows [][]int32) ([][]float32, error)
	close() error
}

// Open loads the model of a folder. It returns an error for each file that is missing or not the
// one that fetch makes.
func Open(folder string, opts Options) (*Model, error) {
	vocab, err1 := checked(folder, vocabFile)
	_, err2 := checked(folder, GraphFile)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	tokenizer, err := NewTokenizer(bytes.NewReader(vocab))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, vocabFile), err)
	}
	opened, err := openSession(folder, opts)
	if err != nil {
		return nil, err
	}
	return &Model{tokenizer, opened}, nil
}

// Close frees the memory of the model.
func (m *Model) Close() error { return m.session.close() }

// checked reads a file whose SHA-256 is known.
func checked(folder, name string) ([]byte, error) {
	path := filepath.Join(folder, name)
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: does not exist; go run ./fetch makes it", path)
	} else if err != nil {
		return nil, err
	}
	sum := sums[name]
	if found := sha256.Sum256(content); hex.EncodeToString(found[:]) != sum {
		return nil, fmt.Errorf("%s: its SHA-256 must be %s, found %x in %d bytes; remove the file, and go run ./fetch makes it again", path, sum, found, len(content))
	}
	return content, nil
}

// Embed returns the embedding of each text. It ends early, with the error of ctx, between two
// runs of the model.
func (m *Model) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	tokens := make([][]int32, len(texts))
	for i, text := range texts {
		tokens[i] = m.Encode(text)
	}
	return m.EmbedTokens(ctx, tokens)
}

// EmbedTokens returns the embedding of each list of tokens, as [Tokenizer.Encode] returns it.
func (m *Model) EmbedTokens(ctx context.Context, tokens [][]int32) ([][]float32, error) {
	vectors := make([][]float32, len(tokens))
	for _, group := range byLength(tokens) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := make([][]int32, len(group))
		for row, at := range group {
			rows[row] = tokens[at]
		}
		found, err := m.session.run(rows)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", Name, err)
		}
		for row, at := range group {
			vectors[at] = found[row]
		}
	}
	return vectors, nil
}

// byLength puts lists of like length together, because each run of the model computes every row
// at the length of the longest.
func byLength(tokens [][]int32) [][]int {
	order := make([]int, len(tokens))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(tokens[a]) - len(tokens[b]) })
	var groups [][]int
	from, real := 0, 0
	for i, at := range order {
		length := len(tokens[at])
		if padded := (i - from + 1) * length; i-from == MaxRows || 4*(padded-real-length) > padded {
			groups = append(groups, order[from:i])
			from, real = i, 0
		}
		real += length
	}
	if from < len(order) {
		groups = append(groups, order[from:])
	}
	return groups
}
