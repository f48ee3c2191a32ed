package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// settingFlags are the flags for single keys.
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

// source returns config.FromEnvironment with the flags added. file is the value of
// flag or of an argument; "" means the file that the environment names.
func (f settingFlags) source(flag, file string) (config.Source, error) {
	settings, err := f.settings()
	source := config.FromEnvironment()
	if file != "" {
		source.File, source.FileFrom = file, flag
	}
	if file == "-" {
		err = errors.Join(err, usageError{errors.New(flag + ": must be a file, because a reload reads it again, found -")})
	}
	source.Set = settings
	return source, err
}

// readable is like source, but reads standard input if file is "-".
func (f settingFlags) readable(flag, file string, stdin io.Reader) (config.Source, error) {
	if file != "-" {
		return f.source(flag, file)
	}
	source, err := f.source(flag, "standard input")
	content, readErr := readBounded(stdin)
	if readErr != nil {
		err = errors.Join(err, usageError{readErr})
	}
	source.Content = append([]byte{}, content...) // nil would read a file
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
