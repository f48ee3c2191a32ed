package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one incarnation of the server.
type process struct {
	number  int
	config  string // its file
	cmd     *exec.Cmd
	control string // its URL
	asking  *http.Client
	base    vitals // when it had served one request
	read    chan struct{}
	serving chan struct{} // closed when it serves

	mu   sync.Mutex
	tail []string // the last lines that are not of the access log
}

// start starts a child that serves on the listener, and reads its log into the ledger.
func start(number int, listener *os.File, config string, book *ledger, environ ...string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	tell, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer tell.Close() //nolint:errcheck // the child has it
	control, err := tell.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer control.Close() //nolint:errcheck // the child has it
	p := &process{number: number, config: config, control: "http://" + tell.Addr().String(), read: make(chan struct{}), serving: make(chan struct{})}
	p.asking = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	p.cmd = exec.Command(program)
	p.cmd.Env = append(append(os.Environ(), childConfig+"="+config), environ...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the interrupt key ends this program only, which ends the child
	p.cmd.ExtraFiles = []*os.File{listener, control}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.follow(log, book)
	return p, nil
}

// follow reads the log until the process has ended.
func (p *process) follow(log io.Reader, book *ledger) {
	defer close(p.read)
	lines := bufio.NewReaderSize(log, 1<<20)
	for {
		text, err := lines.ReadBytes('\n')
		var line logLine
		if bytes.Contains(text, []byte(`"msg":"request"`)) && json.Unmarshal(text, &line) == nil && line.Msg == "request" {
			book.logged(p.number, line)
		} else if len(text) > 0 {
			if bytes.Contains(text, []byte(`"msg":"serving"`)) {
				close(p.serving)
			}
			p.keep(string(text))
		}
		if err != nil {
			return
		}
	}
}

// keep keeps the last lines for a report.
func (p *process) keep(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tail = append(p.tail, text[:min(len(text), 2000)]); len(p.tail) > 1000 {
		p.tail = append([]string(nil), p.tail[500:]...)
	}
}

// story returns the stacks of a process that was ended with SIGQUIT, else its last lines.
func (p *process) story() string {
	p.mu.Lock()
	whole := strings.Join(p.tail, "")
	p.mu.Unlock()
	if at := strings.Index(whole, "SIGQUIT: quit"); at >= 0 {
		return whole[at:min(len(whole), at+40_000)]
	}
	return p.lastLines()
}

func (p *process) lastLines() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail[max(0, len(p.tail)-10):], "")
}

// vitals asks the child for its vitals.
func (p *process) vitals() (vitals, error) {
	var v vitals
	response, err := p.asking.Get(p.control + "/vitals")
	if err != nil {
		return v, err
	}
	defer response.Body.Close() //nolint:errcheck // all of it was read
	return v, json.NewDecoder(response.Body).Decode(&v)
}

// reload lets the child read its configuration again. It returns what the child says.
func (p *process) reload() error {
	response, err := p.asking.Post(p.control+"/reload", "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // all of it was read
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		return errors.New(string(text))
	}
	return err
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// wait waits until the process has ended and all of its log is read.
func (p *process) wait(limit time.Duration) error {
	timer := time.AfterFunc(limit, func() { // with its stacks as its last lines
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	})
	defer timer.Stop()
	<-p.read
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("server %d: %w\n%s", p.number, err, p.story())
	}
	return nil
}
