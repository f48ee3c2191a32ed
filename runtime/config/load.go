package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// delim separates the levels of a key inside koanf. It is a character that no
// key can hold, because routes ("/v1.0/score") are keys under
// metrics.endpoints and hold dots and slashes.
const delim = "\x00"

// maxFileSize bounds what is read before YAML is parsed.
const maxFileSize = 1 << 20

// Load lays a YAML file and then settings of the form key=value over base, and
// validates the result. file "" means no file. Keys that neither mentions keep
// base's value; metrics.duration, a list or a map replaces base's as a whole.
//
// The error names every unknown key and every wrong value at once, with the
// place, what was found and what would be right.
func Load(base Config, file string, settings []string) (Config, error) {
	k := koanf.New(delim)
	if file != "" {
		if err := loadFile(k, file); err != nil {
			return base, err
		}
	}
	if err := loadSettings(k, settings); err != nil {
		return base, err
	}
	return decode(k, base)
}

func loadFile(k *koanf.Koanf, file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file", file)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s: must be a file, found a directory", file)
	case info.Size() > maxFileSize:
		return fmt.Errorf("%s: must be at most %d bytes, found %d", file, maxFileSize, info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// loadSettings takes key=value pairs; the value is read as YAML, so that
// numbers, lists and quoted strings mean what they mean in a file.
func loadSettings(k *koanf.Koanf, settings []string) error {
	var errs []error
	for _, setting := range settings {
		key, text, ok := strings.Cut(setting, "=")
		if !ok || key == "" {
			errs = append(errs, fmt.Errorf("--set %s: must be key=value, such as traffic.timeout=10", setting))
			continue
		}
		value, err := yaml.Parser().Unmarshal([]byte("value: " + text))
		if err != nil {
			errs = append(errs, fmt.Errorf("--set %s: %w", setting, err))
			continue
		}
		path := strings.Join(splitKey(key), delim)
		if err := k.Load(confmap.Provider(map[string]any{path: value["value"]}, delim), nil); err != nil {
			errs = append(errs, fmt.Errorf("--set %s: %w", setting, err))
		}
	}
	return errors.Join(errs...)
}

// splitKey splits at dots, but keeps a route in one piece:
// metrics.endpoints./v1.0/score.slo has four levels.
func splitKey(key string) []string {
	head, route, ok := strings.Cut(key, "endpoints./")
	if !ok {
		return strings.Split(key, ".")
	}
	levels := strings.Split(head+"endpoints", ".")
	for _, last := range []string{".duration", ".slo"} {
		if at := strings.LastIndex(route, last); at >= 0 {
			return append(append(levels, "/"+route[:at]), strings.Split(route[at+1:], ".")...)
		}
	}
	return append(levels, "/"+route)
}

func decode(k *koanf.Koanf, base Config) (Config, error) {
	raw := withoutNil(k.Raw())
	if metrics, ok := raw["metrics"].(map[string]any); ok && metrics["duration"] != nil {
		base.Metrics.Views.Duration.Buckets = nil
		base.Metrics.Views.Duration.Min, base.Metrics.Views.Duration.Max, base.Metrics.Views.Duration.Factor = nil, nil, nil
	}
	unknown := unknownKeys("", raw, reflect.TypeFor[Config]())
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     &base,
		TagName:    "koanf",
		ZeroFields: true, // a list in the file replaces base's, it does not overwrite its head
		DecodeHook: mapstructure.ComposeDecodeHookFunc(secondsHook, wholeNumberHook),
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return base, err
	}
	if err := decoder.Decode(raw); err != nil {
		return base, errors.Join(unknown, decodeErrors(err))
	}
	return base, errors.Join(unknown, base.Validate())
}

// decodeErrors puts the decoder's errors into our form, the key first.
func decodeErrors(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return errors.New(quotedKey.ReplaceAllString(err.Error(), "$1: $2"))
	}
	var errs []error
	for _, one := range joined.Unwrap() {
		errs = append(errs, decodeErrors(one))
	}
	return errors.Join(errs...)
}

var quotedKey = regexp.MustCompile(`^'([^']+)' (.*)$`)

// withoutNil drops keys without a value: "metrics:" with everything below it
// commented out leaves the defaults alone.
func withoutNil(m map[string]any) map[string]any {
	kept := make(map[string]any, len(m))
	for key, value := range m {
		switch v := value.(type) {
		case nil:
		case map[string]any:
			kept[key] = withoutNil(v)
		default:
			kept[key] = v
		}
	}
	return kept
}

// secondsHook reads a duration as BentoML does, a number of seconds, or as Go
// prints it.
func secondsHook(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return data, nil
	}
	var seconds float64
	switch v := data.(type) {
	case int:
		seconds = float64(v)
	case float64:
		seconds = v
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, fmt.Errorf("must be a number of seconds or a duration such as 1.5s, found %q", v)
		}
		return d, nil
	default:
		return nil, fmt.Errorf("must be a number of seconds or a duration such as 1.5s, found %v", data)
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e9 {
		return nil, fmt.Errorf("must be a number of seconds within 292 years, found %v", data)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// wholeNumberHook refuses what the decoder would cut: 1.5 for an integer.
func wholeNumberHook(from, to reflect.Type, data any) (any, error) {
	value, ok := data.(float64)
	if !ok || to == reflect.TypeFor[time.Duration]() {
		return data, nil
	}
	switch to.Kind() {
	case reflect.Int, reflect.Int64:
		if value != math.Trunc(value) || math.Abs(value) > 1<<53 {
			return nil, fmt.Errorf("must be a whole number, found %v", value)
		}
	}
	return data, nil
}

// unknownKeys names each key of raw that t has no field for.
func unknownKeys(path string, raw map[string]any, t reflect.Type) error {
	fields := fieldsOf(t)
	var errs []error
	for key, value := range raw {
		field, ok := fields[key]
		if !ok {
			known := make([]string, 0, len(fields))
			for name := range fields {
				known = append(known, name)
			}
			slices.Sort(known)
			errs = append(errs, fmt.Errorf("%s%s: unknown key; known here: %s", path, key, strings.Join(known, ", ")))
			continue
		}
		below, ok := value.(map[string]any)
		if !ok {
			continue
		}
		switch field.Kind() {
		case reflect.Struct:
			errs = append(errs, unknownKeys(path+key+".", below, field))
		case reflect.Map:
			for name, entry := range below {
				if m, ok := entry.(map[string]any); ok {
					errs = append(errs, unknownKeys(path+key+"."+name+".", m, field.Elem()))
				}
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(text(a), text(b)) })
	return errors.Join(errs...)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("koanf"), ",")
		if option == "squash" {
			for name, below := range fieldsOf(f.Type) {
				fields[name] = below
			}
			continue
		}
		fields[name] = f.Type
	}
	return fields
}
