package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockStub replaces clock_gettime of the vDSO of a child: the system call, and for
// CLOCK_REALTIME the offset in seconds that follows the code.
var clockStub = []byte{
	0x57,                         // push rdi
	0x56,                         // push rsi
	0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, SYS_clock_gettime
	0x0f, 0x05, // syscall
	0x5e,       // pop rsi
	0x5f,       // pop rdi
	0x85, 0xff, // test edi, edi
	0x75, 0x0a, // jnz to ret
	0x48, 0x8b, 0x0d, 0x05, 0x00, 0x00, 0x00, // mov rcx, [rip+5]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
	0x90, // for alignment; the offset follows
}

// setClock makes the wall clock of a process differ from the system's by some seconds.
func setClock(pid int, seconds int64) error {
	base, size, err := vdso(pid)
	if err != nil {
		return err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close() //nolint:errcheck // WriteAt tells
	image := make([]byte, size)
	if _, err := memory.ReadAt(image, base); err != nil {
		return err
	}
	at, err := symbol(image, "__vdso_clock_gettime")
	if err != nil {
		return err
	}
	offset := binary.LittleEndian.AppendUint64(nil, uint64(seconds))
	if bytes.Equal(image[at:at+int64(len(clockStub))], clockStub) { // it is there already
		_, err = memory.WriteAt(offset, base+at+int64(len(clockStub)))
		return err
	}
	if err := pauseOutside(pid, base, base+size); err != nil {
		return err
	}
	_, err = memory.WriteAt(append(bytes.Clone(clockStub), offset...), base+at)
	return errors.Join(err, syscall.Kill(pid, syscall.SIGCONT))
}

// pauseOutside stops a process while none of its threads runs code of an address range: a thread
// that goes on in code that was replaced would crash.
func pauseOutside(pid int, from, to int64) error {
	for range 10_000 {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return err
		}
		inside, err := anyInside(pid, from, to)
		if err == nil && !inside {
			return nil
		}
		if err := errors.Join(err, syscall.Kill(pid, syscall.SIGCONT)); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("its threads are always in the code of the clock")
}

// anyInside waits until all threads of a process have stopped, and reports whether the program counter
// of any is in an address range.
func anyInside(pid int, from, to int64) (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, thread := range threads {
		for {
			text, err := os.ReadFile(thread)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) { // the thread has ended
				break
			}
			fields := strings.Fields(string(text))
			if err != nil || len(fields) == 0 {
				return false, fmt.Errorf("%s: %w", thread, err)
			}
			if fields[0] == "running" {
				continue
			}
			if pc, err := strconv.ParseInt(fields[len(fields)-1], 0, 64); err != nil || pc >= from && pc < to {
				return true, err
			}
			break
		}
	}
	return false, err
}

// vdso returns where the vDSO of a process is.
func vdso(pid int) (base, size int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
			begin, err1 := strconv.ParseInt(from, 16, 64)
			end, err2 := strconv.ParseInt(to, 16, 64)
			return begin, end - begin, errors.Join(err1, err2)
		}
	}
	return 0, 0, errors.New("the process has no vDSO")
}

// symbol returns the offset of a function in an ELF image.
func symbol(image []byte, name string) (int64, error) {
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, one := range symbols {
		if one.Name == name {
			return int64(one.Value), nil
		}
	}
	return 0, fmt.Errorf("the vDSO has no %s", name)
}
