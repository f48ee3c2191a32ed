package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ekiben-serving/ekiben/internal/progress"
)

// bench is the measurement.
type bench struct {
	flags

	sides    []*side // ours is the first
	workshop *workshop
	load     *load
	ceiling  *loop   // the example's model, without a server
	python   []*loop // the model of the Python services, padded and grouped
	ratios   map[cell][]float64
	line     *progress.Line
}

// samples are texts for which all servers must give the same vectors.
var samples = []string{
	"A cat sits on the mat.", "a", "...", "Größe, naïve, crème brûlée", "東京は大きい", "Что это такое?", "e = mc^2 + 3.14159",
	"tokenization of antidisestablishmentarianism", "UPPER and lower\tand\nlines", "😀 emoji 😀", "http://127.0.0.1:3000/encode?x=1",
	"This one has more tokens than the model takes, so that it is cut. " + longText(),
}

func longText() (text string) {
	for i := range 400 {
		text += fmt.Sprintf("word %d ", i)
	}
	return text
}

// farthest is the largest difference of a cosine from 1.
const farthest = 1e-4

// sameVectors compares what the servers respond, for each text alone and for all in a list.
// These starts do not count: the files are not in memory yet.
func (b *bench) sameVectors(ctx context.Context) error {
	var all [][][]float64
	for _, s := range b.sides {
		fmt.Fprintf(os.Stderr, "models: %s gives vectors for %d texts\n", s.name, len(samples))
		vectors, err := s.vectors(ctx, b.workshop)
		if err != nil {
			return err
		}
		all = append(all, vectors)
	}
	for i, s := range b.sides[1:] {
		for j, text := range append(samples, samples...) {
			if far := 1 - cosine(all[0][j], all[i+1][j]); !(far < farthest) {
				return fmt.Errorf("%s and %s must give the same vector for %.60q: 1 less their cosine must be below %g, found %g", b.sides[0].name, s.name, text, farthest, far)
			}
		}
	}
	return nil
}

// vectors returns a server's vectors of the samples, each alone and then in a list.
func (s *side) vectors(ctx context.Context, w *workshop) ([][]float64, error) {
	one, err := s.start(ctx, w)
	if err != nil {
		return nil, err
	}
	defer one.stop()
	c := &client{address: one.address}
	defer c.close()
	var vectors [][]float64
	for i := range len(samples) + 1 {
		texts := samples
		if i < len(samples) {
			texts = samples[i : i+1]
		}
		var got [][]float64
		err := c.post(ctx, httpRequest(texts), len(texts))
		if err == nil {
			err = json.Unmarshal(c.content.Bytes(), &got)
		}
		if err == nil && len(got) != len(texts) {
			err = fmt.Errorf("must give %d vectors, found %d", len(texts), len(got))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %.60q: %w", s.name, texts, err)
		}
		vectors = append(vectors, got...)
	}
	return vectors, nil
}

// cosine returns that of the angle between two vectors, and NaN if one has another length.
func cosine(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return ab / math.Sqrt(aa*bb)
}

// cellList returns the cells in their order.
func (b *bench) cellList() (cells []cell) {
	for _, texts := range b.Texts {
		for _, clients := range b.Clients {
			cells = append(cells, cell{clients, texts})
		}
	}
	return cells
}

// most reports whether a cell has the most clients, so that it is compared with the ceiling.
func (b *bench) most(c cell) bool { return c.clients == slices.Max(b.Clients) }

// The two ways in which model.py makes runs of a batch.
const (
	padded  = "model.py in a loop, batches of 32, each one run"
	grouped = "model.py in a loop, batches of 32, grouped by length"
)

func (b *bench) measure(ctx context.Context) (err error) {
	texts := filepath.Join(b.workshop.temp, "texts.json")
	content, err := json.Marshal(b.load.texts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(texts, content, 0o600); err != nil {
		return err
	}
	env := b.sides[0].env
	if b.ceiling, err = startLoop(ctx, b.workshop, "ceiling", env, filepath.Join(b.workshop.programs, "ceiling"), "-threads", fmt.Sprint(b.Threads), "-texts", texts); err != nil {
		return err
	}
	defer b.ceiling.stop()
	for _, name := range []string{padded, grouped} {
		group := "MODEL_GROUP=0"
		if name == grouped {
			group = "MODEL_GROUP=1"
		}
		l, err := startLoop(ctx, b.workshop, name, append(slices.Clone(env), group), b.workshop.python, "loop.py", texts)
		if err != nil {
			return err
		}
		defer l.stop()
		b.python = append(b.python, l)
	}
	b.ratios = map[cell][]float64{}
	b.line = progress.New(os.Stderr, b.Rounds*(len(b.python)+len(b.sides)*len(b.cellList())+2*len(b.Texts)))
	defer b.line.End()
	for round := range b.Rounds {
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// round measures each side once. Each round begins with another side.
func (b *bench) round(ctx context.Context, round int) error {
	for _, l := range b.python {
		b.line.Stepf("round %d: %s", round+1, l.name)
		if _, err := l.run(ctx, b.Seconds); err != nil {
			return err
		}
	}
	for i := range b.sides {
		if err := b.turn(ctx, round, b.sides[(i+round)%len(b.sides)]); err != nil {
			return err
		}
	}
	return nil
}

// turn measures all cells of a new process.
func (b *bench) turn(ctx context.Context, round int, s *side) error {
	one, err := s.start(ctx, b.workshop)
	if err != nil {
		return err
	}
	defer one.stop()
	for _, c := range b.cellList() {
		var ceiling float64
		compared := s == b.sides[0] && b.most(c)
		warm := b.load.run(ctx, one.address, c, time.Duration(b.Warm*float64(time.Second)))
		if compared {
			b.line.Stepf("round %d: ceiling", round+1)
			if ceiling, err = b.ceiling.run(ctx, b.Seconds); err != nil {
				return err
			}
		}
		b.line.Stepf("round %d: %s, %s", round+1, s.name, c)
		r := b.load.run(ctx, one.address, c, time.Duration(b.Seconds*float64(time.Second)))
		if r.failed += warm.failed; warm.failure != nil {
			r.failure = warm.failure
		}
		s.cells[c] = append(s.cells[c], r)
		if compared {
			b.line.Stepf("round %d: ceiling", round+1)
			after, err := b.ceiling.run(ctx, b.Seconds)
			if err != nil {
				return err
			}
			b.ratios[c] = append(b.ratios[c], r.perSecond/((ceiling+after)/2))
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s, %s: %w", s.name, c, err)
		}
	}
	used, err := memoryOf(one.mark)
	if err != nil {
		return err
	}
	s.starts, s.memory = append(s.starts, one.first), append(s.memory, used)
	return nil
}

// failures returns an error for each cell with failed requests.
func (b *bench) failures() error {
	var all []error
	for _, s := range b.sides {
		for _, c := range b.cellList() {
			for _, r := range s.cells[c] {
				if r.failed > 0 {
					all = append(all, fmt.Errorf("%s, %s: no request must fail, found %d: %w", s.name, c, r.failed, r.failure))
				}
			}
		}
	}
	return errors.Join(all...)
}
