package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints the module's version and the toolchain that built it.
func (versionCommand) Run() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fmt.Println("ekiben (unknown version)")
		return nil
	}
	fmt.Printf("ekiben %s %s\n", info.Main.Version, info.GoVersion)
	return nil
}
