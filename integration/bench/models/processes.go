package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// markName is a variable by which the processes of a server are found: BentoML puts its
// workers into sessions of their own. Its value is a mark: that of the run, and for a server
// a part of its own behind it. Each part ends with a slash.
const markName = "BENCH_MODELS_SERVER="

// memory is that of all processes of a server, in bytes.
type memory struct {
	processes int
	resident  int64 // pages that processes share count in each
	shared    int64 // pages that n processes share count as 1/n in each: the proportional set size
}

// processes returns the processes whose mark begins with this one and that have not ended,
// from /proc.
func processes(mark string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is legal
	for _, file := range files {
		environment, err := os.ReadFile(file) // empty: it has ended, and nobody has waited for it
		if err != nil || !bytes.Contains(append([]byte{0}, environment...), []byte("\x00"+markName+mark)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends the processes with a mark, and those that they start meanwhile.
func kill(mark string) {
	for end := time.Now().Add(stopLimit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		left := processes(mark)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// memoryOf returns the memory of all processes with a mark.
func memoryOf(mark string) (memory, error) {
	var sum memory
	for _, pid := range processes(mark) {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return memory{}, err
		}
		resident, err1 := kilobytes(string(content), "Rss:")
		shared, err2 := kilobytes(string(content), "Pss:")
		if err1 != nil || err2 != nil {
			return memory{}, fmt.Errorf("/proc/%d/smaps_rollup: must have Rss and Pss, found %q", pid, content)
		}
		sum.processes++
		sum.resident += resident
		sum.shared += shared
	}
	if sum.processes == 0 {
		return memory{}, fmt.Errorf("no process in /proc has %s%s in its environment", markName, mark)
	}
	return sum, nil
}

// kilobytes returns a value of a file such as smaps_rollup, in bytes.
func kilobytes(content, key string) (int64, error) {
	for line := range strings.Lines(content) {
		if value, found := strings.CutPrefix(line, key); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s", key)
}
