package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// defaultFile is read when it is there and no other is named.
const defaultFile = "config.yaml"

// settingFlags lay single keys over files and variables.
type settingFlags struct {
	Set []string `help:"Set one configuration key: --set traffic.timeout=10" placeholder:"KEY=VALUE" sep:"none"`
}

func (f settingFlags) settings() ([]config.Setting, error) {
	var settings []config.Setting
	var errs []error
	for _, text := range f.Set {
		setting, err := config.ParseSetting("--set", text)
		errs = append(errs, err)
		settings = append(settings, setting)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, usageError{err}
	}
	return settings, nil
}

// source is the configuration that file, or the default file, begins.
func (f settingFlags) source(t terminal, file string) (config.Source, error) {
	settings, err := f.settings()
	if err != nil {
		return config.Source{}, err
	}
	if file == "" {
		if _, err := os.Stat(defaultFile); err == nil {
			file = defaultFile
		} else if !errors.Is(err, fs.ErrNotExist) {
			return config.Source{}, err
		}
	}
	return config.Source{File: file, Environ: t.environ, Set: settings}, nil
}
