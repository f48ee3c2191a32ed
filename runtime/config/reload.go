package config

import (
	"reflect"
	"slices"
	"strings"
)

// Reloaded is the result of [Config.ApplyReloadable].
type Reloaded struct {
	// Config is the old configuration with the new values of Applied.
	Config Config
	// Applied lists the keys that changed, in order.
	Applied []string
	// NeedRestart lists the keys that differ and keep their old values, in
	// order, because they cannot change while a server runs.
	NeedRestart []string
}

// ApplyReloadable returns c with the values of next for the keys that can
// change while a server runs. c and next are not modified.
func (c Config) ApplyReloadable(next Config) Reloaded {
	r := Reloaded{Config: c}
	r.section(root(), nil, reflect.ValueOf(&r.Config).Elem(), reflect.ValueOf(next))
	return r
}

// section copies values into now, which is addressable. It replaces maps and
// slices and never writes to them, because c shares them.
func (r *Reloaded) section(k *key, path []string, now, next reflect.Value) {
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
			r.Applied = append(r.Applied, strings.Join(at, "."))
		default:
			r.NeedRestart = append(r.NeedRestart, strings.Join(at, "."))
		}
	}
}

func (r *Reloaded) table(k *key, path []string, now, next reflect.Value) {
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
	if made.Len() == 0 {
		made = reflect.Zero(now.Type()) // so that an entry above without other values is zero
	}
	now.Set(made)
}
