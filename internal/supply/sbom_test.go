package main

import (
	"runtime/debug"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestCompare(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.1",
		Main:      debug.Module{Path: "example.com/ours"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.0.0"},
			{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.2.0"}},
		},
	}
	const head = `{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": {"name": "example.com/ours"}}, "components": [{"name": "std", "version": "go1.26.1"}`
	for name, test := range map[string]struct{ sbom, want string }{
		"complete":        {head + `, {"name": "example.com/a", "version": "v1.0.0"}, {"name": "example.com/fork", "version": "v1.2.0"}]}`, ""},
		"lacks a module":  {head + `, {"name": "example.com/fork", "version": "v1.2.0"}]}`, "example.com/a: must be listed with v1.0.0, as in the program, found no version"},
		"another version": {head + `, {"name": "example.com/a", "version": "v1.0.1"}, {"name": "example.com/fork", "version": "v1.2.0"}]}`, "example.com/a: must be listed with v1.0.0, as in the program, found v1.0.1"},
		"replaced":        {head + `, {"name": "example.com/a", "version": "v1.0.0"}, {"name": "example.com/b", "version": "v1.0.0"}]}`, "example.com/fork: must be listed with v1.2.0, as in the program, found no version"},
		"of another":      {`{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "std", "version": "go1.26.1"}, {"name": "example.com/a", "version": "v1.0.0"}, {"name": "example.com/fork", "version": "v1.2.0"}]}`, `must describe example.com/ours, found ""`},
		"another format":  {`{"spdxVersion": "SPDX-2.3"}`, `must be CycloneDX of some version, found bomFormat "" and specVersion ""`},
		"no JSON":         {"", "unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			err := compare(info, []byte(test.sbom))
			if test.want == "" {
				check.OK(t, err)
			} else {
				check.Error(t, err, test.want)
			}
		})
	}
}
