package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// Kind is the kind of a difference.
type Kind string

// Kinds of differences.
const (
	FamilyLost    Kind = "family lost"    // only the old metrics have it
	FamilyGained  Kind = "family gained"  // only the new metrics have it
	TypeChanged   Kind = "type changed"   // counter, gauge, histogram, summary
	LabelLost     Kind = "label lost"     // only old samples have it
	LabelGained   Kind = "label gained"   // only new samples have it
	ValuesLost    Kind = "values lost"    // of a label; only old samples have them
	ValuesGained  Kind = "values gained"  // of a label; only new samples have them
	BoundaryLost  Kind = "boundary lost"  // of a histogram; only the old one has it
	BoundaryAdded Kind = "boundary added" // of a histogram; only the new one has it
	Spelling      Kind = "spelling of le" // the same number, written in another way
)

// Difference is one difference between the metrics of two servers.
type Difference struct {
	Kind   Kind     `json:"kind"`
	Family string   `json:"family"`
	Label  string   `json:"label,omitempty"`
	Old    []string `json:"old,omitempty"`
	New    []string `json:"new,omitempty"`
	// Because is the reason why it does not count: it is documented, an addition, or
	// ignored. "": it counts.
	Because string `json:"because,omitempty"`
}

const unnoticed = "an addition"

// documented lists families and labels of BentoML that Ekiben does not have, with
// the reason. The namespace before a suffix can be any.
var documented = []struct{ suffix, label, because string }{
	{"_websocket_connections", "", "websockets are not served"},
	{"_websocket_data_received", "", "websockets are not served"},
	{"_websocket_data_sent", "", "websockets are not served"},
	{"_last_request_timestamp_seconds", "pid", "Ekiben serves with one process, which needs no number"},
}

func documentedFamily(name string) string {
	for _, d := range documented {
		if d.label == "" && strings.HasSuffix(name, d.suffix) {
			return d.because
		}
	}
	return ""
}

func documentedLabel(family, label string) string {
	for _, d := range documented {
		if d.label == label && label != "" && strings.HasSuffix(family, d.suffix) {
			return d.because
		}
	}
	return ""
}

// Compare returns the differences by family: type, labels and their values,
// boundaries and how they are written. It expects that both servers had the same
// requests. It does not compare values of samples. Families are in order of names.
func Compare(before, after *Metrics) []Difference {
	var found []Difference
	strays := before.strays(after)
	names := map[string]bool{}
	for name := range before.families {
		names[name] = true
	}
	for name := range after.families {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := before.families[name], after.families[name]
		switch {
		case a == nil:
			found = append(found, Difference{Kind: FamilyGained, Family: name, Because: unnoticed})
		case b == nil:
			found = append(found, Difference{Kind: FamilyLost, Family: name, Because: documentedFamily(name)})
		default:
			found = append(found, compareFamilies(a, b, strays)...)
		}
	}
	return found
}

// typed returns the type of a family, which is unknown without a line TYPE.
func (f *family) typed() string { return cmp.Or(f.kind, string(model.MetricTypeUnknown)) }

func compareFamilies(a, b *family, strays map[string]bool) []Difference {
	var found []Difference
	if was, is := a.typed(), b.typed(); was != is {
		found = append(found, Difference{Kind: TypeChanged, Family: a.name, Old: []string{was}, New: []string{is}})
	}
	ours, theirs := a.values(), b.values()
	for _, label := range union(ours, theirs) {
		if label == "le" {
			found = append(found, compareBoundaries(a.name, ours[label], theirs[label])...)
			continue
		}
		if label == "endpoint" {
			routes := withoutStrays(ours[label], strays)
			if lost := without(ours[label], routes); len(lost) > 0 {
				found = append(found, Difference{Kind: ValuesLost, Family: a.name, Label: label, Old: lost, Because: strayed})
			}
			ours[label] = routes
		}
		found = append(found, compareLabel(a.name, label, ours[label], theirs[label])...)
	}
	return found
}

func compareLabel(family, label string, ours, theirs map[string]bool) []Difference {
	because := documentedLabel(family, label)
	switch {
	case theirs == nil:
		return []Difference{{Kind: LabelLost, Family: family, Label: label, Because: because}}
	case ours == nil:
		return []Difference{{Kind: LabelGained, Family: family, Label: label, Because: because}}
	}
	var found []Difference
	if lost := without(ours, theirs); len(lost) > 0 {
		found = append(found, Difference{Kind: ValuesLost, Family: family, Label: label, Old: lost, Because: because})
	}
	if gained := without(theirs, ours); len(gained) > 0 {
		found = append(found, Difference{Kind: ValuesGained, Family: family, Label: label, New: gained, Because: unnoticed})
	}
	return found
}

// compareBoundaries compares le as a number, and then how it is written: the
// selector le="1.0" does not select le="1".
func compareBoundaries(family string, ours, theirs map[string]bool) []Difference {
	was, is := numbers(ours), numbers(theirs)
	var found []Difference
	if lost := without(was, is); len(lost) > 0 {
		found = append(found, Difference{Kind: BoundaryLost, Family: family, Label: "le", Old: lost})
	}
	if gained := without(is, was); len(gained) > 0 {
		found = append(found, Difference{Kind: BoundaryAdded, Family: family, Label: "le", New: gained})
	}
	var old, now []string
	for _, text := range slices.Sorted(maps.Keys(ours)) {
		if is[number(text)] && !theirs[text] {
			old = append(old, text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(theirs)) {
		if was[number(text)] && !ours[text] {
			now = append(now, text)
		}
	}
	if len(old) > 0 {
		found = append(found, Difference{Kind: Spelling, Family: family, Label: "le", Old: old, New: now})
	}
	return found
}

func numbers(texts map[string]bool) map[string]bool {
	set := map[string]bool{}
	for text := range texts {
		set[number(text)] = true
	}
	return set
}

// values returns the values of each label.
func (f *family) values() map[string]map[string]bool {
	values := map[string]map[string]bool{}
	for _, s := range f.samples {
		for label, value := range s.labels {
			if values[label] == nil {
				values[label] = map[string]bool{}
			}
			values[label][value] = true
		}
	}
	return values
}

func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// without lists the keys that only a has.
func without(a, b map[string]bool) []string {
	var only []string
	for k := range a {
		if !b[k] {
			only = append(only, k)
		}
	}
	slices.Sort(only)
	return only
}

func (d Difference) String() string {
	text := d.Family
	if d.Label != "" {
		text += "{" + d.Label + "}"
	}
	text += ": " + string(d.Kind)
	if len(d.Old) > 0 || len(d.New) > 0 {
		text += ": " + strings.TrimSpace(shown(d.Old)+arrow(d)+shown(d.New))
	}
	return text
}

func arrow(d Difference) string {
	if len(d.Old) > 0 && len(d.New) > 0 {
		return " → "
	}
	return ""
}

// shown joins at most 20 strings.
func shown(list []string) string {
	const most = 20
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(", and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
