package config

import "reflect"

// Clone returns a copy that shares no slice, map or pointer with c.
func (c Config) Clone() Config {
	return clone(reflect.ValueOf(c)).Interface().(Config)
}

// clone copies a value. Types with private fields, such as [Secret], are immutable, so a
// copy may share what they point to. Nil stays nil: it means "not given".
func clone(v reflect.Value) reflect.Value {
	made := reflect.New(v.Type()).Elem()
	made.Set(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				made.Field(i).Set(clone(v.Field(i)))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			made.Set(reflect.New(v.Type().Elem()))
			made.Elem().Set(clone(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			made.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				made.Index(i).Set(clone(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			made.Set(reflect.MakeMap(v.Type()))
			for key, value := range v.Seq2() {
				made.SetMapIndex(key, clone(value))
			}
		}
	}
	return made
}
