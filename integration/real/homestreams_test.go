package real

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// steered makes a stream of the words of next, which fails at "boom" and completes at "end".
// ended gets the error of its context.
func steered(next <-chan string, ended chan<- error) func(context.Context, struct{}) iter.Seq2[string, error] {
	return func(ctx context.Context, _ struct{}) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			defer func() { ended <- ctx.Err() }()
			for {
				select {
				case word := <-next:
					switch {
					case word == "end":
						return
					case word == "boom":
						yield("", errors.New("boom"))
						return
					case !yield(word, nil):
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// TestHomePageStreams sends forms of streaming APIs. The page shows each chunk when it
// arrives, and Stop ends the function.
func TestHomePageStreams(t *testing.T) {
	next, ended := make(chan string), make(chan error, 10)
	b := browse(t, serve(t, "Streams", func(app *runtime.App) {
		runtime.HandleStream(app, "words", steered(next, ended))
		runtime.HandleStream(app, "numbers", func(context.Context, struct{}) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) { _ = yield(1, nil) && yield(2, nil) }
		}, runtime.NDJSON())
		runtime.HandleStream(app, "much", func(context.Context, struct{}) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for range 40 {
					if !yield(strings.Repeat("a line of text\n", 1000), nil) {
						return
					}
				}
			}
		})
		runtime.Handle(app, "whole", func(context.Context, struct{}) (string, error) { return "all", nil })
	}, nil)+"/")
	const status = `$('api0').querySelector('[role=status]').textContent.replace(/[\d.]+ ms/g, '…')`
	say := func(word string) step { return func(*tab) { next <- word } }
	click := func(button int) step {
		return does("click", `[...$('api0').querySelectorAll('button')][`+string(rune('0'+button))+`].click()`, "")
	}
	over := func(want error) step {
		return func(b *tab) {
			if got := <-ended; !errors.Is(got, want) {
				b.t.Errorf("the function ended with %v, want %v", got, want)
			}
		}
	}
	b.steps(
		sees("APIs", `document.querySelectorAll('.api').length`, "4"),
		does("a stream is named", `[...document.querySelectorAll('.api > summary')].map(s => s.textContent.includes('streamed'))`, "true,true,true,false"),
		does("only a stream can be stopped", `[...document.querySelectorAll('.api')].map(a => a.querySelectorAll('button').length)`, "2,2,2,1"),
		// Each chunk is shown when it arrives.
		click(0), say("one "), sees("the first chunk", `ui.answer(0)`, "one "), sees("receiving", status, "200 OK, receiving, first chunk after …"),
		say("zwö\n"), sees("the second chunk", `ui.answer(0)`, "one zwö\n"),
		say("end"), sees("the end", status, "200 OK in …, first chunk after …"), over(nil),
		// Stop ends the function, and what came before stays.
		click(0), say("again "), sees("a chunk", `ui.answer(0)`, "again "), click(1), sees("stopped", status, "200 OK, stopped in …, first chunk after …"), over(context.Canceled),
		does("what came before stays", `ui.answer(0)`, "again "),
		click(0), sees("Stop can be pressed", `$('api0').querySelectorAll('button')[1].ariaDisabled`, "null"), click(1), sees("no chunk yet", status, "stopped before the first chunk"), over(context.Canceled),
		// A stream that fails in the middle is not taken for a complete one.
		click(0), say("half "), sees("a half", `ui.answer(0)`, "half "), say("boom"), sees("cut off", status, "200 OK, cut off by the server in …, first chunk after …"), over(nil),
		does("as an error", `$('api0').querySelector('[role=status]').className + ui.answer(0)`, "badhalf "),
		click(0), say("boom"), sees("an error at once", status, "500 Internal Server Error in …"), over(nil),
		// Other kinds.
		does("lines", `ui.press(1)`, ""),
		sees("both lines", `ui.answer(1)`, "1\n2\n"),
		does("much", `ui.press(2)`, ""),
		sees("the rest is offered", `document.querySelectorAll('form pre + p')[2].textContent.replace(/\d[\d.]*/g, '…')`, "… and … kB more. Download all … kB"),
		does("its beginning is shown", `ui.answer(2).length > 200000 && ui.answer(2).length < 600000`, "true"),
		does("no stream", `ui.press(3)`, "200 OK|all"))
	b.complaints()
}
