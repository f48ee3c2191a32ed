package main

import (
	"bufio"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// openTerminal opens a pseudo terminal. Output to terminal is read from screen.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen = check.Value(os.OpenFile("/dev/ptmx", os.O_RDWR, 0))(t)
	t.Cleanup(func() { _ = screen.Close() })
	var number, unlock int32
	for request, value := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &unlock} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	terminal = check.Value(os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0))(t)
	return screen, terminal
}

// On a terminal, serve prints several lines in place of one log line.
func TestServeOnATerminal(t *testing.T) {
	screen, terminal := openTerminal(t)
	cmd := command(t, "serve", "--host", "127.0.0.1", "--port", "0", "--set", "shutdown.idle=0", "--set", "otlp.enabled=true")
	cmd.Stderr = terminal
	check.Must(t, cmd.Start())
	_ = terminal.Close()
	var shown strings.Builder
	lines := bufio.NewReader(screen)
	for { // reading fails when no process has the terminal open
		line, err := lines.ReadString('\n')
		_, _ = io.WriteString(&shown, strings.TrimRight(line, "\r\n")+"\n")
		if err != nil {
			break
		}
		if strings.HasPrefix(line, "  pushes ") || strings.Contains(line, "msg=serving") {
			check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
	check.OK(t, cmd.Wait())
	want := regexp.MustCompile(`^serving Summarization, version \S.*
  page     http://127\.0\.0\.1:\d+/
  config   no file
  exposes  POST /summarize, POST /encode, GET /metrics, .*
  metrics  bentoml_service_\*, .*, ekiben_\*
  pushes   metrics to .* each 1m0s
`)
	if !want.MatchString(shown.String()) || strings.Contains(shown.String(), "msg=serving") {
		t.Errorf("got\n%s", shown.String())
	}
}
