package main

import (
	"errors"
	"fmt"
	"io"

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

// maxInput bounds the memory for standard input and for the response of a URL.
const maxInput = 64 << 20

// readBounded reads standard input.
func readBounded(in io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(content) > maxInput {
		err = fmt.Errorf("must be at most %d MB, found more", maxInput>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return content, nil
}
