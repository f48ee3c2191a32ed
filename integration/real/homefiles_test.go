package real

import (
	"context"
	"fmt"
	"image"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// TestHomePageFiles sends files with the forms of the home page, and shows an image.
func TestHomePageFiles(t *testing.T) {
	b := browse(t, serve(t, "Files", func(app *runtime.App) {
		runtime.Handle(app, "describe", func(_ context.Context, in struct {
			File  *runtime.File  `json:"file"`
			Files []runtime.File `json:"files,omitempty"`
			Text  string         `json:"text" default:"1"`
			Scale float64        `json:"scale" default:"2"`
		}) (string, error) {
			said := fmt.Sprintf("%q %v", in.Text, in.Scale)
			if in.File != nil {
				in.Files = append(in.Files, *in.File)
			}
			for _, one := range in.Files {
				said += fmt.Sprint(" ", one.Name(), " ", one.ContentType(), " ", one.Size())
			}
			return said, nil
		})
		runtime.Handle(app, "whole", func(_ context.Context, in runtime.File) (string, error) {
			return fmt.Sprint(in.ContentType(), " ", in.Size()), nil
		})
		runtime.Handle(app, "draw", func(context.Context, struct{}) (image.Image, error) {
			return image.NewRGBA(image.Rect(0, 0, 3, 2)), nil
		})
		runtime.Handle(app, "text", func(_ context.Context, in string) (string, error) { return in, nil })
	}, nil)+"/")
	choose := func(api, field int, names string) step {
		return does("files are chosen", fmt.Sprintf(`(() => {
			const chosen = new DataTransfer();
			for (const name of %q.split(' ')) chosen.items.add(new File(['123'], name, { type: 'text/plain' }));
			const control = $('api%d').querySelectorAll('input[type=file]')[%d];
			control.files = chosen.files;
			control.dispatchEvent(new Event('input'));
		})()`, names, api, field), "")
	}
	b.steps(
		sees("APIs", `document.querySelectorAll('.api').length`, "4"),
		does("one file, several files", `[...$('api0').querySelectorAll('input[type=file]')].map(c => c.multiple)`, "false,true"),
		does("without files", `ui.press(0)`, `200 OK|"1" 2`),
		choose(0, 0, "a.txt"),
		does("a file", `ui.press(0)`, `200 OK|"1" 2 a.txt text/plain 3`),
		choose(0, 1, "b c"),
		does("files", `ui.press(0)`, `200 OK|"1" 2 b text/plain 3 c text/plain 3 a.txt text/plain 3`),
		does("a whole body that is empty", `ui.press(1)`, "200 OK|application/octet-stream 0"),
		choose(1, 0, "a"),
		does("a whole body", `ui.press(1)`, "200 OK|text/plain 3"),
		does("an image", `ui.press(2)`, ""),
		sees("is shown", `(i => i.naturalWidth + 'x' + i.naturalHeight + i.hidden)(document.querySelectorAll('form img')[2])`, "3x2false"),
		does("text", `ui.press(3)`, "200 OK|text"))
	b.complaints()
}
