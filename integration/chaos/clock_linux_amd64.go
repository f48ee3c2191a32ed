package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
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
	return write(memory, image, base, at, seconds)
}

// write writes the offset, and the code if it is not there yet.
func write(memory *os.File, image []byte, base, at, seconds int64) error {
	offset := binary.LittleEndian.AppendUint64(nil, uint64(seconds))
	if _, err := memory.WriteAt(offset, base+at+int64(len(clockStub))); err != nil {
		return err
	}
	if bytes.Equal(image[at:at+int64(len(clockStub))], clockStub) {
		return nil
	}
	_, err := memory.WriteAt(clockStub, base+at)
	return err
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
