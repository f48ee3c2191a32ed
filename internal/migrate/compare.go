package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is what a difference is of.
type Kind string

// The kinds of differences between pages.
const (
	FamilyLost    Kind = "family lost"    // only the old page has it
	FamilyGained  Kind = "family gained"  // only the new page has it
	TypeChanged   Kind = "type changed"   // counter, gauge, histogram, summary
	LabelLost     Kind = "label lost"     // only the old page's samples have it
	LabelGained   Kind = "label gained"   // only the new page's samples have it
	ValuesLost    Kind = "values lost"    // of a label, on the old page only
	ValuesGained  Kind = "values gained"  // of a label, on the new page only
	BoundaryLost  Kind = "boundary lost"  // of a histogram, on the old page only
	BoundaryAdded Kind = "boundary added" // of a histogram, on the new page only
	Spelling      Kind = "spelling of le" // the same number, written otherwise
)

// Difference is one thing that is not the same on two pages.
type Difference struct {
	Kind   Kind     `json:"kind"`
	Family string   `json:"family"`
	Label  string   `json:"label,omitempty"`
	Old    []string `json:"old,omitempty"`
	New    []string `json:"new,omitempty"`
	// Because says why it does not count: it is documented, nobody notices it, or
	// it was to be ignored. "": it counts.
	Because string `json:"because,omitempty"`
}

const unnoticed = "what is added is noticed by nobody"

// documented are BentoML's families and labels that Ekiben has not, with the
// reason. The namespace before them may be any.
var documented = []struct{ suffix, label, because string }{
	{"_websocket_connections", "", "websockets are not served"},
	{"_websocket_data_received", "", "websockets are not served"},
	{"_websocket_data_sent", "", "websockets are not served"},
	{"_last_request_timestamp_seconds", "pid", "one process answers, so that it needs no number"},
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

// Compare returns what differs, family by family: type, labels and their values,
// boundaries and how they are written. Both pages are expected to be of servers
// that have had the same traffic; the values of samples are not compared. The
// order is that of the families' names.
func Compare(before, after *Page) []Difference {
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

func compareFamilies(a, b *family, strays map[string]bool) []Difference {
	var found []Difference
	if a.kind != b.kind {
		found = append(found, Difference{Kind: TypeChanged, Family: a.name, Old: []string{a.kind}, New: []string{b.kind}})
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

// compareBoundaries compares le as a number, and then how it is written: a
// selector le="1.0" is literal.
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

// values are those of each label.
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

// without lists what only a has.
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

// shown lists the first of many.
func shown(list []string) string {
	const most = 20
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(", and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
