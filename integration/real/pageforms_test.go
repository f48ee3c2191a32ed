package real

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
)

type (
	formPart struct {
		Name string  `json:"name" minLength:"6"`
		Size int8    `json:"size" minimum:"100"`
		Tint *string `json:"tint"`
	}
	// formInput has each constraint, on something that is required.
	formInput struct {
		Least    int               `json:"least" minimum:"7"`
		Most     float64           `json:"most" maximum:"-3"`
		Between  float64           `json:"between" exclusiveMinimum:"0" exclusiveMaximum:"1" doc:"A probability."`
		Multiple int               `json:"multiple" multipleOf:"3" minimum:"10" maximum:"30"`
		Large    uint64            `json:"large" minimum:"1"`
		Long     string            `json:"long" minLength:"12"`
		Short    string            `json:"short" maxLength:"2"`
		Colour   string            `json:"colour" enum:"red,green,blue"`
		Digit    int               `json:"digit" enum:"3,5"`
		Shape    string            `json:"shape" pattern:"^[A-Z]{2}[0-9]$" example:"AB1"`
		Sure     bool              `json:"sure"`
		Items    []float64         `json:"items" minItems:"3"`
		None     []int             `json:"none" maxItems:"0"`
		Parts    []formPart        `json:"parts" minItems:"2"`
		Point    [2]float64        `json:"point"`
		Weights  map[string]int    `json:"weights"`
		When     time.Time         `json:"when"`
		Level    int               `json:"level" default:"8"`
		Note     string            `json:"note,omitempty"`
		Limit    *int              `json:"limit" minimum:"5"`
		Tags     map[string]string `json:"tags,omitempty" example:"{\"a\":\"b\"}"`
	}
)

// constrained is a service whose APIs answer what they were sent.
func constrained() *runtime.Service {
	svc := runtime.NewService("Forms")
	runtime.Handle(svc, "all", func(_ context.Context, in formInput) (formInput, error) { return in, nil })
	type guarded struct {
		Code string `json:"code" pattern:"^[A-Z]{2}$"`
	}
	runtime.Handle(svc, "guarded", func(_ context.Context, in guarded) (guarded, error) { return in, nil })
	runtime.Handle(svc, "list", func(_ context.Context, in []float64) ([]float64, error) { return in, nil })
	runtime.Handle(svc, "words", func(_ context.Context, in string) (string, error) { return in, nil })
	runtime.Handle(svc, "nothing", func(context.Context, struct{}) (string, error) { return "done", nil })
	return svc
}

// press sends a form as it is.
func (b *tab) press(api int) (status, answer string) {
	b.t.Helper()
	form := fmt.Sprintf(`$('api%d')`, api)
	b.text(fmt.Sprintf(`(%s.open = true, %s.querySelector('[role=status]').textContent = '', %s.querySelector('button').click())`, form, form, form))
	eventually(b.t, "an answer", func() bool { return b.text(form+`.querySelector('[role=status]').textContent`) != "" })
	return b.text(form + `.querySelector('[role=status]').textContent`), b.text(form + `.querySelector('pre').textContent`)
}

func TestPageForms(t *testing.T) {
	b := browse(t, served(t, constrained(), nil)+"/")
	eventually(t, "the APIs", func() bool { return b.number(`document.querySelectorAll('.api').length`) == 5 })
	t.Run("as they are filled", func(t *testing.T) { formsAsFilled(t, b) })
	t.Run("controls", func(t *testing.T) { formControls(t, b) })
	t.Run("left out", func(t *testing.T) { formLeftOut(t, b) })
	t.Run("without an example", func(t *testing.T) { formWithoutExample(t, b) })
	t.Run("documentation", func(t *testing.T) { formDocumentation(t, b) })
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the browser complains: %q", problems)
	}
}

func formsAsFilled(t *testing.T, b *tab) {
	t.Helper()
	for i, want := range map[int]string{
		0: `{"least":7,"most":-5,"between":0.5,"multiple":12,"large":1,"long":"text text text","short":"te","colour":"red","digit":3,"shape":"AB1","sure":true,` +
			`"items":[1.5,1.5,1.5],"none":[],"parts":[{"name":"text text","size":100,"tint":null},{"name":"text text","size":100,"tint":null}],"point":[1.5,1.5],` +
			`"weights":{"key":1},"when":"2006-01-02T15:04:05Z","level":8,"limit":null}`,
		2: `[1.5]`, 3: `text`, 4: `done`,
	} {
		status, answer := b.press(i)
		var compact strings.Builder
		var v any
		if json.Unmarshal([]byte(answer), &v) == nil {
			answer = b.text(fmt.Sprintf(`JSON.stringify(JSON.parse($('api%d').querySelector('form pre').textContent))`, i))
		}
		compact.WriteString(answer)
		if !strings.HasPrefix(status, "200 OK in ") || compact.String() != want {
			t.Errorf("%d: %s\n%s\nwant\n%s", i, status, compact.String(), want)
		}
	}
}

// formControls has a choice for an enum, a number for a number, and what a value
// must keep to beside it. A number keeps all its digits.
func formControls(t *testing.T, b *tab) {
	t.Helper()
	for expression, want := range map[string]string{
		"[..." + control(0, "colour") + ".options].map(o => o.value)":   "red,green,blue",
		"[..." + control(0, "digit") + ".options].map(o => o.value)":    "3,5",
		"[..." + control(0, "sure") + ".options].map(o => o.value)":     "true,false",
		control(0, "least") + ".type + " + control(0, "least") + ".min": "number7",
		control(0, "shape") + ".value":                                  "AB1",
		described(0, "between"):                                         "number · more than 0, less than 1|A probability.",
		described(0, "multiple"):                                        "integer · 10 to 30, a multiple of 3",
		described(0, "long"):                                            "string · at least 12 characters",
		described(0, "parts"):                                           "list of object · at least 2 items",
		described(0, "shape"):                                           "string · matches ^[A-Z]{2}[0-9]$",
	} {
		if got := b.text(expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
	b.change(0, "colour", "blue")
	b.change(0, "digit", "5")
	b.change(0, "large", "9007199254740993")
	catch := `(window.posted = '', window.real ??= fetch, fetch = (path, o) => { window.posted = o?.body ?? window.posted; return window.real(path, o); })`
	b.text(catch)
	status, _ := b.press(0)
	if body := b.text(`window.posted`); !strings.HasPrefix(status, "200 ") || !strings.Contains(body, `"large":9007199254740993,`) || !strings.Contains(body, `"colour":"blue","digit":5,`) {
		t.Errorf("%s was sent: %s", body, status)
	}
	b.change(0, "least", "")
	if status, _ := b.press(0); status != "least: must be a number" || b.text(`document.activeElement === `+control(0, "least")) != "true" {
		t.Errorf("an empty number: %s", status)
	}
	b.change(0, "least", "7")
}

// formLeftOut sends what is optional when it is ticked, which an edit does.
func formLeftOut(t *testing.T, b *tab) {
	t.Helper()
	for _, name := range []string{"note", "limit", "tags"} {
		if ticked := b.text(sent(0, name) + `.checked`); ticked != "false" {
			t.Errorf("%s is sent unasked", name)
		}
	}
	if b.text(sent(0, "least")) != "null" {
		t.Error("what is required can be left out")
	}
	b.change(0, "note", "a note")
	b.text(sent(0, "tags") + `.click()`)
	b.text(sent(0, "level") + `.click()`)
	b.press(0)
	body := b.text(`window.posted`)
	for want, there := range map[string]bool{`"note":"a note"`: true, `"tags":{"a":"b"}`: true, `"level"`: false, `"limit"`: false} {
		if strings.Contains(body, want) != there {
			t.Errorf("%s: %s is to be there: %s", body, want, strconv.FormatBool(there))
		}
	}
}

// formWithoutExample says that it knows none.
func formWithoutExample(t *testing.T, b *tab) {
	t.Helper()
	if got := b.text(`[` + control(1, "code") + `.placeholder, ` + described(1, "code") + `].join('|')`); got != "matches ^[A-Z]{2}$|string · matches ^[A-Z]{2}$|Nothing is filled in: the type has no example." {
		t.Errorf("got %s", got)
	}
	b.change(1, "code", "AB")
	if status, _ := b.press(1); !strings.HasPrefix(status, "200 ") {
		t.Errorf("what matches: %s", status)
	}
}

func formDocumentation(t *testing.T, b *tab) {
	t.Helper()
	rows := b.text(`[...$('api0').querySelectorAll('.documentation tbody tr')].map(row => [...row.cells].map(c => c.textContent).join('|')).join('\n')`)
	for _, want := range []string{
		"between|number|more than 0, less than 1||A probability. Example: 0.5\n", "colour|string|one of red, green, blue||", "level|integer, optional||8|\n",
		"parts[].size|integer|at least 100||\n", "shape|string|matches ^[A-Z]{2}[0-9]$|| Example: AB1\n", "\n400|Bad Request|application/json\n",
	} {
		if !strings.Contains(rows, want) {
			t.Errorf("the documentation lacks %q:\n%s", want, rows)
		}
	}
}
