package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// BenchmarkStartUp measures the time from the start of the process until it listens,
// with every key of config.yaml set, and for comparison the time of a process that
// only prints its version.
func BenchmarkStartUp(b *testing.B) {
	file := check.Value(os.ReadFile("../../config.yaml"))(b)
	config := filepath.Join(b.TempDir(), "config.yaml")
	_, keys, _ := strings.Cut(string(file), "\n\n") // after the head
	inForce := strings.ReplaceAll(strings.ReplaceAll("\n"+keys, "\n#  ", "\n  "), "\n#", "\n")
	check.Must(b, os.WriteFile(config, []byte(inForce), 0o600))
	start := func(args ...string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), child+"=1")
		return cmd
	}
	b.Run("version", func(b *testing.B) {
		for b.Loop() {
			check.Must(b, start("version").Run())
		}
	})
	b.Run("serve", func(b *testing.B) {
		for b.Loop() {
			cmd := start("serve", "--config", config, "--host", "127.0.0.1", "--port", "0")
			log := check.Value(cmd.StderrPipe())(b)
			check.Must(b, cmd.Start())
			lines := bufio.NewScanner(log)
			if !lines.Scan() || !strings.Contains(lines.Text(), "msg=serving") {
				b.Fatalf("got %s", lines.Text())
			}
			b.StopTimer()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			b.StartTimer()
		}
	})
}
