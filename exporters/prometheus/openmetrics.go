package prometheus

import "strings"

// openForm is the form of a family in OpenMetrics, in this collection. It may change
// when another family appears that needs one of its names.
type openForm struct {
	name     string
	kind     kind
	hiddenBy *family // the family with the name in needs; nil: this one is not hidden
	needs    string
}

// nameOpen chooses the names for OpenMetrics, where a counter's family lacks
// _total, and where _created belongs to every counter, histogram and summary.
//
// A counter whose names are taken, or whose name does not end in _total, becomes
// a family of type unknown under its full name, which loses no sample. If two other
// families need one name, the later one is left out.
func (x *index) nameOpen() {
	for _, f := range x.listed {
		f.open = openForm{name: f.name, kind: f.kind}
	}
	for _, f := range x.listed {
		if f.kind == counter || f.kind == gauge {
			continue
		}
		created := f.name + "_created"
		other := x.names[created]
		switch {
		case other == nil:
			x.names[created] = f
		case other.rank < f.rank:
			f.open.hiddenBy, f.open.needs = other, created
		default:
			other.open.hiddenBy, other.open.needs = f, created
		}
	}
	for _, f := range x.listed {
		if f.kind != counter {
			continue
		}
		short, ok := strings.CutSuffix(f.name, "_total")
		if !ok || x.names[short] != nil || x.names[short+"_created"] != nil {
			f.open.kind = unknown
			continue
		}
		x.names[short], x.names[short+"_created"] = f, f
		f.open.name = short
	}
}
