package real

import (
	"context"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
)

type (
	formPart struct {
		Name string  `json:"name" minLength:"6"`
		Size int8    `json:"size" minimum:"100"`
		Tint *string `json:"tint"`
	}
	// formInput has every constraint on a required parameter, and optional ones.
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
	formPattern struct {
		Code string `json:"code" pattern:"^[A-Z]{2}$"`
	}
	// formEdges has values at the limits of a type, and strings of several lines.
	formEdges struct {
		Most    uint64   `json:"most" default:"18446744073709551615"`
		Least   int64    `json:"least" default:"-9223372036854775808"`
		Highest uint64   `json:"highest" minimum:"18446744073709551615"`
		Lowest  int64    `json:"lowest" maximum:"-9223372036854775808"`
		Among   uint64   `json:"among" enum:"18446744073709551615,1"`
		Tiny    float64  `json:"tiny" example:"5e-324"`
		Lines   string   `json:"lines" default:"one\n two\r\n" maxLength:"20"`
		Matched string   `json:"matched" pattern:"^a\n[a-z]+$" example:"a\nb"`
		Long    string   `json:"long" example:"\na\tb"`
		Several string   `json:"several" enum:"a\nb,c"`
		Rate    float64  `json:"rate" minimum:"-0.5" maximum:"-0.25"`
		Limit   *int     `json:"limit"`
		Ratio   *float64 `json:"ratio" minimum:"1"`
		Remark  *string  `json:"remark"`
		Parts   *[]int   `json:"parts"`
	}
	// formDigits has numbers that JavaScript rounds.
	formDigits struct {
		ID     uint64            `json:"id" default:"9007199254740993"`
		Choice uint64            `json:"choice" enum:"1,9007199254740993" default:"9007199254740993"`
		IDs    []uint64          `json:"ids" example:"[9007199254740993, 18446744073709551615]"`
		Named  map[string]uint64 `json:"named" example:"{\"a\": 9007199254740995}"`
		Least  uint64            `json:"least" minimum:"3" example:"9007199254740993"`
	}
	// formNames has names that are hard to turn into ids and lines.
	formNames struct {
		Words  string `json:"two words" doc:"Both."`
		About  string `json:"two words-about,omitempty"`
		Tone   string `json:"tone,omitempty" enum:"low,high"`
		Volume int    `json:"volume,omitempty"`
		Long   string `json:"a_name_that_is_longer_than_a_telephone_is_wide_and_has_nothing_where_it_could_be_broken_into_two_lines,omitempty"`
		Code   string `json:"code,omitempty" pattern:"^[A-Z]{2}$"`
	}
)

// formAPIs has an API for each kind of input. The tests count them from 0.
func formAPIs(svc *runtime.App) {
	echo[formInput](svc, "all")
	echo[formPattern](svc, "guarded")
	echo[[]float64](svc, "list")
	echo[string](svc, "words")
	runtime.Handle(svc, "nothing", func(context.Context, struct{}) (string, error) { return "done", nil })
	echo[formEdges](svc, "edges")
	echo[formDigits](svc, "digits")
	echo[formNames](svc, "names")
	runtime.HandleBatch(svc, "lengths", func(_ context.Context, texts []string) ([]int, error) {
		lengths := make([]int, len(texts))
		for i, text := range texts {
			lengths[i] = len(text)
		}
		return lengths, nil
	}, runtime.ItemsField("texts"))
	runtime.Handle(svc, "predict", func(ctx context.Context, in struct {
		Model string `json:"model" default:"of the body"`
	},
	) (string, error) {
		r := runtime.RequestFrom(ctx)
		return strings.Join([]string{r.PathValue("model"), r.PathValue("version"), in.Model}, "|"), nil
	}, runtime.Route("/käse/{model}/v:1/{version}"))
}
