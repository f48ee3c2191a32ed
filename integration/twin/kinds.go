package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/image/draw"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
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
	// Word is exported because /schema.json has its name.
	Word struct {
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
	runtime.HandleStream(app, "objects", func(_ context.Context, in textInput) iter.Seq2[Word, error] {
		return func(yield func(Word, error) bool) {
			for i, one := range strings.Fields(in.Text) {
				if !yield(Word{one, i}, nil) {
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
	declareFiles(app)
	runtime.Handle(app, "raw", func(_ context.Context, in textInput) ([]byte, error) { return []byte(in.Text), nil })
	runtime.Handle(app, "blob", func(_ context.Context, data []byte) (int, error) { return len(data), nil })
	runtime.Handle(app, "model_root", func(_ context.Context, in Word) (Word, error) { return in, nil }, runtime.RootInput())
	runtime.Handle(app, "root", func(_ context.Context, text string) (string, error) { return reversed(text), nil })
	runtime.Handle(app, "teapot", func(ctx context.Context, in textInput) (string, error) {
		response := runtime.ResponseFrom(ctx)
		response.SetStatus(http.StatusTeapot)
		response.SetHeader("x-kettle", "on")
		response.SetCookie(&http.Cookie{Name: "tea", Value: "green", Path: "/", SameSite: http.SameSiteLaxMode}) //nolint:gosec // as BentoML sets it
		return in.Text + runtime.RequestFrom(ctx).Header().Get("x-sugar"), nil
	})
	runtime.Handle(app, "nothing", func(context.Context, struct{}) (*struct{}, error) { return nil, nil })
	runtime.HandleTask(app, "slowly", slowly)
	app.Mount("/app", mounted())
	return nil
}

// declareFiles declares the APIs that take or send files and images.
func declareFiles(app *runtime.App) {
	runtime.Handle(app, "size", func(_ context.Context, in struct {
		File runtime.File `json:"file"`
	}) (int, error) {
		return int(in.File.Size()), nil
	})
	runtime.Handle(app, "typed", func(_ context.Context, in struct {
		Audio runtime.File `json:"audio" contentType:"audio/wav"`
		Scale float64      `json:"scale" default:"1.0"`
	}) (float64, error) {
		return float64(in.Audio.Size()) * in.Scale, nil
	})
	runtime.Handle(app, "many", func(_ context.Context, in struct {
		Files []runtime.File `json:"files"`
	}) (sizes []int, err error) {
		for _, one := range in.Files {
			sizes = append(sizes, int(one.Size()))
		}
		return sizes, nil
	})
	runtime.Handle(app, "picture", func(_ context.Context, in struct {
		Image runtime.Image `json:"image"`
	}) (string, error) {
		size := in.Image.Bounds().Size()
		return fmt.Sprintf("%s %dx%d", strings.ToUpper(in.Image.Format), size.X, size.Y), nil
	})
	runtime.Handle(app, "shrink", func(_ context.Context, in struct {
		Image image.Image `json:"image"`
	}) (image.Image, error) {
		small := image.NewRGBA(image.Rect(0, 0, 2, 2))
		draw.BiLinear.Scale(small, small.Bounds(), in.Image, in.Image.Bounds(), draw.Src, nil)
		return small, nil
	})
	runtime.Handle(app, "download", func(_ context.Context, in textInput) (runtime.File, error) {
		return runtime.NewFile("out.txt", "", []byte(in.Text)), nil
	}, runtime.ContentType("text/plain"))
}

// mounted copies the mounted app: a route and a socket.
func mounted() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		body, _ := json.Marshal(map[string]string{"hello": cmp.Or(r.URL.Query().Get("name"), "nobody")})
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	mux.Handle("GET /ws", websocket.Handler(func(_ context.Context, conn *websocket.Conn) error {
		for {
			text, err := conn.ReadText()
			if err != nil || text == "bye" {
				return err
			}
			if err := conn.WriteText(strings.ToUpper(text)); err != nil {
				return err
			}
		}
	}))
	return mux
}

// slowlyFor is how long slowly takes, in nanoseconds. 0: half a second.
var slowlyFor atomic.Int64

// slowly returns a text in capitals after half a second. It fails at the text boom.
func slowly(ctx context.Context, in textInput) (string, error) {
	select {
	case <-time.After(cmp.Or(time.Duration(slowlyFor.Load()), time.Second/2)):
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
