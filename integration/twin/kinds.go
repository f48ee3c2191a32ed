package main

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	_ "github.com/ekiben-serving/ekiben/tasks/sqlite" // keeps the tasks of slowly
)

type (
	wordsInput struct {
		Text  string  `json:"text"`
		Pause float64 `json:"pause" default:"0.0"`
	}
	textInput struct {
		Text string `json:"text"`
	}
	word struct {
		Word  string `json:"word"`
		Index int    `json:"index"`
	}
)

// declareKinds declares the kinds of APIs that the service Kinds has.
func declareKinds(app *runtime.App) error {
	runtime.HandleStream(app, "words", words)
	runtime.HandleStream(app, "words_sync", func(ctx context.Context, in textInput) iter.Seq2[string, error] {
		return words(ctx, wordsInput{Text: in.Text})
	})
	runtime.HandleStream(app, "objects", func(_ context.Context, in textInput) iter.Seq2[word, error] {
		return func(yield func(word, error) bool) {
			for i, one := range strings.Fields(in.Text) {
				if !yield(word{one, i}, nil) {
					return
				}
			}
		}
	})
	runtime.HandleStream(app, "numbers", func(_ context.Context, in struct {
		Count int `json:"count"`
	}) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range in.Count {
				if !yield(i, nil) {
					return
				}
			}
		}
	})
	runtime.HandleStream(app, "events", func(_ context.Context, in textInput) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, one := range strings.Fields(in.Text) {
				if !yield("data: "+one+"\n\n", nil) {
					return
				}
			}
		}
	})
	runtime.Handle(app, "raw", func(_ context.Context, in textInput) (string, error) { return in.Text, nil })
	runtime.Handle(app, "root", func(_ context.Context, text string) (string, error) { return reversed(text), nil })
	runtime.Handle(app, "nothing", func(context.Context, struct{}) (*struct{}, error) { return nil, nil })
	runtime.HandleTask(app, "slowly", slowly)
	return nil
}

// slowly returns a text in capitals after half a second. It fails at the text boom.
func slowly(ctx context.Context, in textInput) (string, error) {
	select {
	case <-time.After(time.Second / 2):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if in.Text == "boom" {
		return "", errors.New("boom")
	}
	return strings.ToUpper(in.Text), nil
}

// words yields the words of a text with pauses. It fails at the word boom.
func words(ctx context.Context, in wordsInput) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, one := range strings.Fields(in.Text) {
			if one == "boom" {
				yield("", errors.New("boom"))
				return
			}
			select {
			case <-time.After(time.Duration(in.Pause * float64(time.Second))):
			case <-ctx.Done():
				yield("", ctx.Err())
				return
			}
			if !yield(one+" ", nil) {
				return
			}
		}
	}
}

func reversed(text string) string {
	runes := []rune(text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}
