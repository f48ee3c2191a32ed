package minilm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// words makes a text of n words.
func words(random *rand.Rand, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = []string{"model", "the", "of", "request", "batch", "cat", "light", "river"}[random.IntN(8)]
	}
	return strings.Join(list, " ")
}

// BenchmarkEmbed gives the time for a text, by the texts of a run, their words and the threads.
func BenchmarkEmbed(b *testing.B) {
	for _, threads := range []int{1, 2} {
		if threads > 1 && Backend == "hugot" {
			continue // it uses all processors
		}
		model, err := Open(Folder(), Options{Threads: threads})
		if err != nil {
			b.Fatal(err)
		}
		for _, rows := range []int{1, 8, MaxRows} {
			b.Run(fmt.Sprintf("threads=%d/rows=%d", threads, rows), func(b *testing.B) {
				bench(b, model, func(random *rand.Rand) (texts []string) {
					for range rows {
						texts = append(texts, words(random, 24))
					}
					return texts
				})
			})
		}
		b.Run(fmt.Sprintf("threads=%d/mixed", threads), func(b *testing.B) {
			bench(b, model, func(random *rand.Rand) (texts []string) {
				for i := range MaxRows {
					texts = append(texts, words(random, 4+i*i/8))
				}
				return texts
			})
		})
		b.Run(fmt.Sprintf("threads=%d/mixed in one run", threads), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 1))
			rows := make([][]int32, MaxRows)
			for i := range rows {
				rows[i] = model.Encode(words(random, 4+i*i/8))
			}
			for first := true; first || b.Loop(); first = false { // the first run compiles the graph
				if _, err := model.session.run(rows); err != nil {
					b.Fatal(err)
				}
			}
			perText(b, MaxRows)
		})
		if err := model.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func bench(b *testing.B, model *Model, texts func(*rand.Rand) []string) {
	b.Helper()
	list := texts(rand.New(rand.NewPCG(1, 1)))
	for first := true; first || b.Loop(); first = false { // the first run compiles the graph
		if _, err := model.Embed(context.Background(), list); err != nil {
			b.Fatal(err)
		}
	}
	perText(b, len(list))
}

func perText(b *testing.B, n int) {
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*n), "ms/text")
	b.ReportMetric(0, "ns/op")
}
