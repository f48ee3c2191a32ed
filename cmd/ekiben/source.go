package main

import (
	"errors"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

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

// source is what config.FromEnvironment reads, with the flags over it. file is
// what flag, or an argument, names; "": the environment's.
func (f settingFlags) source(flag, file string) (config.Source, error) {
	settings, err := f.settings()
	source := config.FromEnvironment()
	if file != "" {
		source.File, source.FileFrom = file, flag
	}
	source.Set = settings
	return source, err
}
