// Command ceiling calls the model in a loop with full batches, without a server: a server on
// the same machine cannot be faster. It reads a time in seconds from each line of its input,
// embeds the texts of a file for that time, and prints a line of JSON:
//
//	echo 5 | go run -tags onnxruntime ./ceiling -threads 1 -texts texts.json
//
// The file has a JSON list of texts. The first line of the output says how many tokens they have.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
)

func main() {
	threads := flag.Int("threads", 0, "threads of a run; 0: one for each processor")
	file := flag.String("texts", "", "a file with a JSON list of texts")
	flag.Parse()
	if err := run(*threads, *file); err != nil {
		fmt.Fprintf(os.Stderr, "ceiling: %v\n", err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

func run(threads int, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var texts []string
	if err := json.Unmarshal(content, &texts); err != nil {
		return fmt.Errorf("%s: must be a JSON list of texts: %w", file, err)
	}
	if len(texts) < minilm.MaxRows {
		return fmt.Errorf("%s: must have %d texts at least, found %d", file, minilm.MaxRows, len(texts))
	}
	model, err := minilm.Open(minilm.Folder(), minilm.Options{Threads: threads})
	if err != nil {
		return err
	}
	return errors.Join(loop(model, slices.Collect(slices.Chunk(texts, minilm.MaxRows)), os.Stdin, json.NewEncoder(os.Stdout)), model.Close())
}

// loop embeds batches for as long as each line of in says.
func loop(model *minilm.Model, batches [][]string, in io.Reader, out *json.Encoder) error {
	if last := len(batches) - 1; len(batches[last]) < minilm.MaxRows { // only full ones
		batches = batches[:last]
	}
	if _, err := model.Embed(context.Background(), batches[0]); err != nil { // the first run takes longer
		return err
	}
	if err := out.Encode(countTokens(model, batches)); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		seconds, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil {
			return fmt.Errorf("a line must be a time in seconds, found %q", lines.Text())
		}
		took, err := embed(model, batches, time.Duration(seconds*float64(time.Second)))
		if err != nil {
			return err
		}
		if err := out.Encode(took); err != nil {
			return err
		}
	}
	return lines.Err()
}

// taken says how many texts were embedded, and in what time.
type taken struct {
	Texts   int     `json:"texts"`
	Seconds float64 `json:"seconds"`
}

func embed(model *minilm.Model, batches [][]string, d time.Duration) (taken, error) {
	start, runs := time.Now(), 0
	for ; time.Since(start) < d; runs++ {
		if _, err := model.Embed(context.Background(), batches[runs%len(batches)]); err != nil {
			return taken{}, err
		}
	}
	return taken{runs * minilm.MaxRows, time.Since(start).Seconds()}, nil
}

// tokens says how many tokens texts have.
type tokens struct {
	Backend string  `json:"backend"`
	Mean    float64 `json:"mean"`
	P10     int     `json:"p10"`
	P50     int     `json:"p50"`
	P90     int     `json:"p90"`
	P99     int     `json:"p99"`
	Max     int     `json:"max"`
}

func countTokens(model *minilm.Model, batches [][]string) tokens {
	var counts []int
	sum := 0
	for _, batch := range batches {
		for _, text := range batch {
			n := len(model.Encode(text))
			counts, sum = append(counts, n), sum+n
		}
	}
	slices.Sort(counts)
	at := func(share int) int { return counts[(len(counts)-1)*share/100] }
	return tokens{minilm.Backend, float64(sum) / float64(len(counts)), at(10), at(50), at(90), at(99), at(100)}
}
