// Command supply checks what .ci/supply makes of the command ekiben.
//
//	go run ./internal/supply sbom EKIBEN SBOM
//	go run ./internal/supply vulnerabilities GOVULNCHECK
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "sbom":
		return checkBill(out, args[1], args[2])
	case len(args) == 2 && args[0] == "vulnerabilities":
		return checkVulnerabilities(ctx, out, args[1])
	default:
		return errors.New("must be called with sbom EKIBEN SBOM or vulnerabilities GOVULNCHECK")
	}
}
