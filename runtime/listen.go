package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ekiben-serving/ekiben/runtime/internal/listening"
)

// listenPublic returns the listener that another process handed over, or listens as the section
// http says.
func (a *App) listenPublic(ctx context.Context) (net.Listener, error) {
	cfg := a.conf.Now().HTTP
	if given, err := listening.Inherited(cfg.Socket.Path); given != nil || err != nil {
		return given, err
	}
	if cfg.Socket.Path == "" {
		return a.listen(ctx, "http", cfg.Host, cfg.Port)
	}
	mode, err := cfg.Socket.FileMode()
	if err != nil {
		return nil, err
	}
	return listening.File(ctx, cfg.Socket.Path, mode)
}

// listen listens on the address of a section of the configuration, http or admin. The error
// names its keys.
func (a *App) listen(ctx context.Context, section, host string, port int) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	var open net.ListenConfig
	listener, err := open.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s.port: %s is taken by another program%s; %s: %w", section, address, grafana(port), a.anotherPort(section), err)
	}
	return nil, fmt.Errorf("%s.host, %s.port: cannot listen on %s: %w", section, section, address, err)
}

// grafana names the program that most often uses our default port.
func grafana(port int) string {
	if port == 3000 {
		return " (3000 is Grafana's default too)"
	}
	return ""
}

// anotherPort says how to choose another port for this program.
func (a *App) anotherPort(section string) string {
	free := 3001
	if a.conf.Now().Admin.Enabled { // which has 3001 by default
		free = 3002
	}
	if a.conf.Source == nil {
		return "this program reads no configuration: set another port with runtime.WithConfig, or let it read one with runtime.WithSource(config.FromEnvironment())"
	}
	for _, one := range slices.Backward(a.conf.Source.Set) { // which wins over a variable
		if one.Key != section+".port" {
			continue
		}
		if one.From == "--set" {
			return fmt.Sprintf("set another port, --set %s=%d, or 0 for a free one", one.Key, free)
		}
		return fmt.Sprintf("set another port, %s %d, or 0 for a free one", one.From, free)
	}
	if a.conf.Source.Environ == nil {
		return "set another port, or 0 for a free one"
	}
	return fmt.Sprintf("set another port, EKIBEN_%s__PORT=%d, or 0 for a free one", strings.ToUpper(section), free)
}
