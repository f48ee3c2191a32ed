package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkStartUp measures the time from the start of the process until it listens,
// with every key of config.yaml set, and for comparison the time of a process that
// only prints its version.
func BenchmarkStartUp(b *testing.B) {
	file, err := os.ReadFile("../../config.yaml")
	if err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(b.TempDir(), "config.yaml")
	_, keys, _ := strings.Cut(string(file), "\n\n") // after the head
	inForce := strings.ReplaceAll(strings.ReplaceAll("\n"+keys, "\n#  ", "\n  "), "\n#", "\n")
	if err := os.WriteFile(config, []byte(inForce), 0o600); err != nil {
		b.Fatal(err)
	}
	start := func(args ...string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), child+"=1")
		return cmd
	}
	b.Run("version", func(b *testing.B) {
		for b.Loop() {
			if err := start("version").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("serve", func(b *testing.B) {
		for b.Loop() {
			cmd := start("serve", "--config", config, "--host", "127.0.0.1", "--port", "0")
			log, err := cmd.StderrPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
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
