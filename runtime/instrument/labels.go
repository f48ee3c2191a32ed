package instrument

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
)

// overflow is the label of the series that all label sets beyond the limit share.
// OpenTelemetry's SDK uses the same label.
var overflow = attribute.NewSet(attribute.Bool("otel_metric_overflow", true))

// labelSets converts each value of L once into the options of a measurement.
//
// The map of known sets is never modified, so a lookup needs neither a lock nor an
// allocation. New sets are in recent, until as many lookups have missed known as there
// are sets. Then a map with both replaces known. So the copies cost no more than the lookups.
type labelSets[L comparable, O any] struct {
	fields []field
	keep   int // how many sets known and recent may have
	option func(attribute.Set) O
	known  atomic.Pointer[map[L][]O]
	mu     sync.Mutex
	recent map[L][]O
	missed int // lookups since known was replaced
	more   []O // the options of further label sets; nil: each has its own, made for the call
}

// remembered bounds the sets of a metric without a limit. Further ones cost more time, not memory.
const remembered = 4096

// field is one field of L: one label.
type field struct {
	name  attribute.Key
	index int
	kind  reflect.Kind
}

func newLabelSets[L comparable, O any](limit int, option func(attribute.Set) O) (*labelSets[L, O], error) {
	fields, err := labelsOf(reflect.TypeFor[L]())
	if err != nil {
		return nil, err
	}
	s := &labelSets[L, O]{fields: fields, keep: remembered, option: option, recent: map[L][]O{}}
	if limit > 0 {
		s.keep, s.more = limit, []O{option(overflow)}
	}
	s.known.Store(&map[L][]O{})
	return s, nil
}

// labelsOf returns the labels that the struct type t describes.
func labelsOf(t reflect.Type) ([]field, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("labels: must be a struct with one field a label (struct{} for none), found %s", t)
	}
	var fields []field
	var errs []error
	seen := map[attribute.Key]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		where := t.String() + "." + f.Name
		name := f.Tag.Get("label")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		legal, err := prometheus.LabelName(name)
		switch {
		case !f.IsExported():
			errs = append(errs, fmt.Errorf("%s: must be exported", where))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: label %q: %w", where, name, err))
		case legal != name:
			errs = append(errs, fmt.Errorf("%s: label %q is %q on /metrics; use that name", where, name, legal))
		case name == "le" || name == "quantile" || strings.HasPrefix(name, "__"):
			errs = append(errs, fmt.Errorf("%s: label %q is reserved by Prometheus", where, name))
		case seen[attribute.Key(name)] != "":
			errs = append(errs, fmt.Errorf("%s: label %q is already that of %s", where, name, seen[attribute.Key(name)]))
		case !recordable(f.Type.Kind()):
			errs = append(errs, fmt.Errorf("%s: must be a string, a bool or an integer, found %s", where, f.Type))
		}
		seen[attribute.Key(name)] = f.Name
		fields = append(fields, field{name: attribute.Key(name), index: i, kind: f.Type.Kind()})
	}
	return fields, errors.Join(errs...)
}

func recordable(k reflect.Kind) bool {
	return k == reflect.String || k == reflect.Bool || k >= reflect.Int && k <= reflect.Uint64
}

// of returns the options of one label set.
func (s *labelSets[L, O]) of(labels L) []O {
	known := *s.known.Load()
	if options, ok := known[labels]; ok {
		return options
	}
	if len(known) < s.keep {
		return s.learn(labels)
	}
	return s.further(labels)
}

// learn returns the options of a set that known had not, and remembers them if it may.
func (s *labelSets[L, O]) learn(labels L) []O {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if options, ok := known[labels]; ok {
		return options
	}
	options, ok := s.recent[labels]
	if !ok {
		if len(known) == s.keep { // another goroutine has just learnt the last one
			return s.further(labels)
		}
		options = []O{s.option(s.set(labels))}
		s.recent[labels] = options
	}
	s.missed++
	if all := len(known) + len(s.recent); s.missed >= all || all == s.keep {
		grown := make(map[L][]O, all)
		maps.Copy(grown, known)
		maps.Copy(grown, s.recent)
		s.known.Store(&grown)
		s.recent, s.missed = map[L][]O{}, 0
	}
	return options
}

// further returns the options of a set beyond those that are kept.
func (s *labelSets[L, O]) further(labels L) []O {
	if s.more != nil {
		return s.more
	}
	return []O{s.option(s.set(labels))}
}

func (s *labelSets[L, O]) set(labels L) attribute.Set {
	value := reflect.ValueOf(labels)
	attrs := make([]attribute.KeyValue, len(s.fields))
	for i, f := range s.fields {
		v := value.Field(f.index)
		switch {
		case f.kind == reflect.String:
			attrs[i] = f.name.String(strings.ToValidUTF8(v.String(), "\uFFFD"))
		case f.kind == reflect.Bool:
			attrs[i] = f.name.Bool(v.Bool())
		case v.CanInt():
			attrs[i] = f.name.Int64(v.Int())
		case f.kind == reflect.Uint || f.kind == reflect.Uint64: // OpenTelemetry's integers have a sign
			attrs[i] = f.name.String(strconv.FormatUint(v.Uint(), 10))
		default:
			attrs[i] = f.name.Int64(int64(v.Uint()))
		}
	}
	return attribute.NewSet(attrs...)
}
