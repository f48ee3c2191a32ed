package real

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// pictured is a service whose page shows what a page can: several parameters,
// batches of several requests, some latency, and a failure now and then.
func pictured() *runtime.Service {
	type input struct {
		Text      string `json:"text" minLength:"1" doc:"The text to shorten." example:"A cat leapt twenty feet into the air to catch a fly. Scientists are looking into it. The town is planning a festival."`
		Sentences int    `json:"sentences" minimum:"1" maximum:"10" default:"2" doc:"How many to keep."`
		Style     string `json:"style" enum:"plain,bullets" default:"plain"`
		Language  string `json:"language,omitempty" pattern:"^[a-z]{2}$" example:"en" doc:"Found out if it is not sent."`
	}
	type output struct {
		Summary string    `json:"summary"`
		Scores  []float64 `json:"scores" doc:"How telling each sentence is."`
	}
	svc := runtime.NewService("Summarization")
	runtime.Handle(svc, "summarize", func(_ context.Context, in input) (output, error) {
		time.Sleep(time.Duration(10+rand.ExpFloat64()*25) * time.Millisecond)
		if in.Text == "fail" {
			return output{}, errors.New("as it is to be")
		}
		sentences := strings.SplitAfter(in.Text, ". ")
		kept := sentences[:min(in.Sentences, len(sentences))]
		return output{strings.TrimSpace(strings.Join(kept, "")), []float64{.62, .31, .07}[:min(len(kept), 3)]}, nil
	})
	runtime.HandleBatch(svc, "encode", func(_ context.Context, texts []string) ([][]float64, error) {
		time.Sleep(time.Duration(8+len(texts)) * time.Millisecond)
		vectors := make([][]float64, len(texts))
		for i, text := range texts {
			vectors[i] = []float64{float64(len(text))}
		}
		return vectors, nil
	}, batcher.Config{MaxBatchSize: 16}, runtime.Items("texts"))
	return svc
}

// TestPagePicture has everything that docs/page.png shows on the page at once;
// -update takes the picture.
func TestPagePicture(t *testing.T) {
	base := served(t, pictured(), func(c *config.Config) { c.App.Version = "1.4.0" })
	failing := []string{`{"text":"fail"}`}
	for range 24 {
		failing = append(failing, `{"text":"A cat leapt."}`)
	}
	for _, end := range []func(){
		stopOf(crowd(t, 4, 60*time.Millisecond, base+"/summarize", failing...)),
		stopOf(crowd(t, 8, 15*time.Millisecond, base+"/encode", `{"texts":["a","bb"]}`)),
	} {
		defer end()
	}
	b := browse(t, base+"/")
	history := 3
	if *update {
		history = 30
	}
	for n := 3; n <= history; n += 3 {
		eventually(t, "readings", func() bool { return b.number(`past.all.filter(v => v > 10).length`) >= float64(n) })
	}
	eventually(t, "failures and batches", func() bool {
		return b.number(`Math.max(...past.failing)`) > 0 && b.number(`$('batch').textContent`) > 2
	})
	status, answer := b.press(0)
	if !strings.HasPrefix(status, "200 OK") || !strings.Contains(answer, "looking into it.") {
		t.Errorf("%s\n%s", status, answer)
	}
	if inView := b.text(`[...document.querySelectorAll('#api0 textarea, #api0 form pre')].every(e => e.scrollHeight <= e.clientHeight + 1)`); inView != "true" {
		t.Error("a text is not wholly in view")
	}
	if *update && !t.Failed() {
		b.text(`(document.activeElement.blur(), scrollTo(0, 0))`)
		b.do(chromedp.EmulateViewport(1200, int64(b.number(`document.documentElement.scrollHeight`))))
		before := b.number(`past.time.length`)
		eventually(t, "a reading after the layout", func() bool { return b.number(`past.time.length`) > before })
		b.screenshot("page.png")
	}
}

func stopOf[T any](_ T, stop func()) func() { return stop }
