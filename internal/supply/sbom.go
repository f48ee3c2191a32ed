package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// bill is what is read of an SBOM, the bill of materials of a program: CycloneDX.
type bill struct {
	Format     string      `json:"bomFormat"`
	Version    string      `json:"specVersion"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// checkBill compares the SBOM of a program with the modules that Go noted in the
// program when it linked it.
func checkBill(out io.Writer, program, file string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file) // #nosec G703 -- the file is named by who runs this
	if err != nil {
		return err
	}
	if err := compare(info, text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	_, err = fmt.Fprintf(out, "the SBOM has the %d modules of the program\n", len(info.Deps))
	return err
}

// compare returns an error for each module of a program that its SBOM lacks.
func compare(info *debug.BuildInfo, sbom []byte) error {
	var found bill
	if err := json.Unmarshal(sbom, &found); err != nil {
		return err
	}
	if found.Format != "CycloneDX" || found.Version == "" {
		return fmt.Errorf("must be CycloneDX of some version, found bomFormat %q and specVersion %q", found.Format, found.Version)
	}
	versions := map[string]string{}
	for _, c := range found.Components {
		versions[c.Name] = c.Version
	}
	var errs []error
	if got := found.Metadata.Component.Name; got != info.Main.Path {
		errs = append(errs, fmt.Errorf("must describe %s, found %q", info.Main.Path, got))
	}
	for _, m := range append([]*debug.Module{{Path: "std", Version: info.GoVersion}}, info.Deps...) {
		m = cmp.Or(m.Replace, m)
		if got := cmp.Or(versions[m.Path], "no version"); got != m.Version {
			errs = append(errs, fmt.Errorf("%s: must be listed with %s, as in the program, found %s", m.Path, m.Version, got))
		}
	}
	return errors.Join(errs...)
}
