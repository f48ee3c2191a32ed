package config

import (
	"reflect"
	"slices"
	"strings"
)

// Reload returns c with the keys of next that can change while a server runs.
// changed are those that did, restart those that differ and have to wait.
func (c Config) Reload(next Config) (now Config, changed, restart []string) {
	now = c
	r := reloader{}
	r.section(root(), nil, reflect.ValueOf(&now).Elem(), reflect.ValueOf(next))
	return now, r.changed, r.restart
}

type reloader struct{ changed, restart []string }

// section copies into now, which is addressable. What now shares with the
// configuration it was copied from is replaced, never written to.
func (r *reloader) section(k *key, path []string, now, next reflect.Value) {
	for _, b := range k.below {
		at := append(slices.Clone(path), b.name)
		here, there := now.FieldByIndex(b.index), next.FieldByIndex(b.index)
		switch {
		case b.kind == section:
			r.section(b, at, here, there)
		case b.kind == table && b.each.kind == section:
			r.table(b, at, here, there)
		case reflect.DeepEqual(here.Interface(), there.Interface()):
		case b.reload:
			here.Set(there)
			r.changed = append(r.changed, strings.Join(at, "."))
		default:
			r.restart = append(r.restart, strings.Join(at, "."))
		}
	}
}

func (r *reloader) table(k *key, path []string, now, next reflect.Value) {
	names := slices.Concat(sortedNames(now), sortedNames(next))
	slices.Sort(names)
	made := reflect.MakeMap(now.Type())
	for _, name := range slices.Compact(names) {
		key := reflect.ValueOf(name)
		entry := reflect.New(now.Type().Elem()).Elem()
		if old := now.MapIndex(key); old.IsValid() {
			entry.Set(old)
		}
		given := next.MapIndex(key)
		if !given.IsValid() {
			given = reflect.Zero(next.Type().Elem())
		}
		r.section(k.each, append(slices.Clone(path), name), entry, given)
		if next.MapIndex(key).IsValid() || !entry.IsZero() {
			made.SetMapIndex(key, entry)
		}
	}
	if made.Len() > 0 || !now.IsNil() {
		now.Set(made)
	}
}
