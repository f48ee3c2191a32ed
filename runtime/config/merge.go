package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/ekiben-serving/ekiben/runtime/config/internal/tree"
)

// delim separates the levels of a key inside koanf. Routes are keys and hold
// dots and slashes; no key can hold this character.
const delim = "\x00"

// merged holds the sources that were merged so far.
type merged struct {
	k      *koanf.Koanf
	places places
}

// places maps dotted keys to the places of their values.
type places map[string]Place

func newMerged() *merged {
	return &merged{k: koanf.New(delim), places: places{}}
}

// merge merges values over the earlier ones with koanf. It first removes the values
// of other keys that a value replaces.
func (m *merged) merge(values []placed) error {
	flat := map[string]any{}
	for _, v := range values {
		for _, other := range v.key.instead {
			m.drop(append(v.path[:len(v.path)-1:len(v.path)-1], other))
		}
		if v.key.kind == table {
			m.dropBelow(v.path)
		}
	}
	for _, v := range values {
		flat[strings.Join(v.path, delim)] = v.value
		m.places[strings.Join(v.path, ".")] = v.where
	}
	if err := m.k.Load(confmap.Provider(flat, delim), nil); err != nil {
		return fmt.Errorf("merging the configuration: %w", err)
	}
	return nil
}

func (m *merged) drop(path []string) {
	m.k.Delete(strings.Join(path, delim))
	delete(m.places, strings.Join(path, "."))
}

func (m *merged) dropBelow(path []string) {
	m.drop(path)
	for name := range m.places {
		if strings.HasPrefix(name, strings.Join(path, ".")+".") {
			delete(m.places, name)
		}
	}
}

// decode returns the merged values as a Config. Names must match exactly, as in
// checker; by default, mapstructure ignores case.
func (m *merged) decode() (Config, error) {
	var cfg Config
	err := m.k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		Result:     &cfg,
		TagName:    "koanf",
		DecodeHook: mapstructure.TextUnmarshallerHookFunc(),
		MatchName:  func(key, field string) bool { return key == field },
	}})
	if err != nil {
		return cfg, fmt.Errorf("decoding the merged configuration: %w", err)
	}
	return cfg, nil
}

// locate returns a problem with the place of its key, or of the nearest key
// that has one.
func (p places) locate(err error) error {
	var found *Problem
	if !errors.As(err, &found) || found.Where != (Place{}) { // the place is known already
		return err
	}
	name, _, _ := strings.Cut(found.Key, "[")
	located := *found
	if located.Where = p.of(name); located.Where == (Place{}) {
		return err
	}
	return &located
}

// of returns the place of a key, or of the nearest key that has one.
func (p places) of(name string) Place {
	for name != "" {
		at, ok := p[name]
		if !ok {
			at, ok = p.firstBelow(name + ".")
		}
		if ok {
			return at
		}
		name = name[:max(strings.LastIndex(name, "."), 0)]
	}
	return Place{}
}

func (p places) has(name string) bool { _, ok := p[name]; return ok }

// firstBelow returns the first place, by file and line, of a key that begins with
// prefix, for an error that concerns a whole section.
func (p places) firstBelow(prefix string) (Place, bool) {
	var found []Place
	for name, at := range p {
		if strings.HasPrefix(name, prefix) && at != codePlace {
			found = append(found, at)
		}
	}
	if len(found) == 0 {
		return Place{}, false
	}
	return slices.MinFunc(found, func(a, b Place) int {
		return 2*strings.Compare(a.Name, b.Name) + min(max(a.Line-b.Line, -1), 1)
	}), true
}

// codePlace is the place of values that code has changed from the default.
var codePlace = Place{Name: "code"}

// code merges base, which every other source overrides. Values equal to the default
// get no place: it is not known whether code set them.
func (l *loader) code(base Config) {
	defaults := map[string]any{}
	for _, v := range valuesOf(Default()) {
		defaults[strings.Join(v.path, ".")] = v.value
	}
	values := valuesOf(base)
	l.fail(l.m.merge(values))
	for _, v := range values {
		name := strings.Join(v.path, ".")
		if was, known := defaults[name]; known && reflect.DeepEqual(was, v.value) {
			delete(l.m.places, name)
		} else {
			l.m.places[name] = codePlace
		}
	}
}

// valuesOf lists the values of cfg that are not nil.
func valuesOf(cfg Config) []placed {
	var values []placed
	eachValue(root(), nil, reflect.ValueOf(cfg), func(k *key, path []string, v reflect.Value) {
		values = append(values, placed{key: k, path: path, value: plain(v.Interface())})
	})
	return values
}

// eachValue calls visit for every value below k that is not nil, in order, and
// for every entry of a table that has no values.
func eachValue(k *key, path []string, v reflect.Value, visit func(*key, []string, reflect.Value)) {
	switch {
	case k.isValue():
		visit(k, path, v)
	case k.kind == table:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			at := append(path[:len(path):len(path)], name.String())
			visited := false
			eachValue(k.each, at, v.MapIndex(name), func(k *key, path []string, v reflect.Value) {
				visited = true
				visit(k, path, v)
			})
			if !visited {
				visit(k.each, at, reflect.ValueOf(map[string]any{}))
			}
		}
	}
	for _, b := range k.below {
		f := v.FieldByIndex(b.index)
		if b.optional && f.IsNil() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		eachValue(b, append(path[:len(path):len(path)], b.name), f, visit)
	}
}

// readSecrets reads the secrets whose file a key ending in _file names. It returns the
// names of the files that were read, because a change of one is a change of the
// configuration. Such a file becomes the place of its key.
func readSecrets(cfg *Config, places places) (files []string, problems []error) {
	read := func(path []string, given bool, name string, set func(Secret)) {
		key := strings.Join(path, ".")
		at := strings.Join(fileTwin(path), ".")
		if given {
			problems = append(problems, &Problem{Where: places[at], Key: at, Text: "must not be given beside " + key})
			return
		}
		text, err := tree.ReadText(name)
		if err != nil {
			problems = append(problems, &Problem{Where: places[at], Key: at, Text: "must name a file that can be read: " + err.Error()})
			return
		}
		files = append(files, name)
		places[key] = Place{Name: name}
		set(NewSecret(strings.TrimRight(text, "\r\n")))
	}
	secretsOf(root(), nil, reflect.ValueOf(cfg).Elem(), func(path []string, value, file reflect.Value) {
		if file.Kind() == reflect.String {
			if name := file.String(); name != "" {
				read(path, !value.Interface().(Secret).IsZero(), name, func(s Secret) { value.Set(reflect.ValueOf(s)) })
			}
			return
		}
		names, secrets := file.Interface().(map[string]string), map[string]Secret{}
		maps.Copy(secrets, value.Interface().(map[string]Secret))
		for _, name := range slices.Sorted(maps.Keys(names)) {
			_, given := secrets[name]
			read(append(slices.Clone(path), name), given, names[name], func(s Secret) { secrets[name] = s })
		}
		if len(names) > 0 {
			value.Set(reflect.ValueOf(secrets))
		}
	})
	return files, problems
}

// fileTwin returns the path of the key that names a secret's file:
// keyfile_password_file, headers_file.NAME.
func fileTwin(path []string) []string {
	twin := slices.Clone(path)
	at := len(twin) - 1
	if above := lookup(twin[:at]); above != nil && above.kind == table {
		at--
	}
	twin[at] += "_file"
	return twin
}

// secretsOf calls visit for each secret below k that has a key for its file.
func secretsOf(k *key, path []string, v reflect.Value, visit func(path []string, value, file reflect.Value)) {
	for _, b := range k.below {
		at := append(path[:len(path):len(path)], b.name)
		if b.kind == section {
			secretsOf(b, at, v.FieldByIndex(b.index), visit)
		}
		if twin := k.find(b.name + "_file"); twin != nil && (b.kind == secret || b.kind == table && b.each.kind == secret) {
			visit(at, v.FieldByIndex(b.index), v.FieldByIndex(twin.index))
		}
	}
}
