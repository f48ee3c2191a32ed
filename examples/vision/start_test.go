package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/vision/detector"
)

// The test binary is the service if this variable is set.
const asService = "TEXT_DETECTOR_AS_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		os.Args = os.Args[:1]
		main()
	}
	os.Exit(m.Run())
}

// The service does not start without its files, and names the one that is missing or wrong.
func TestStartErrors(t *testing.T) {
	model, library := detector.ModelFile, detector.LibraryFile
	for name, row := range map[string]struct {
		right, wrong []string // files of the folder
		want         []string
	}{
		"missing weights": {[]string{library}, nil, []string{model + ": does not exist; go run ./fetch makes it"}},
		"wrong weights":   {[]string{library}, []string{model}, []string{model + ": its SHA-256 must be d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9, found "}},
		"missing library": {[]string{model}, nil, []string{library + ": no such file or directory; go run ./fetch makes it"}},
		"wrong library":   {[]string{model}, []string{library}, []string{library + ": ", "; remove the file, and go run ./fetch makes it again"}},
		"an empty folder": {nil, nil, []string{model + ": does not exist", library + ": no such file"}},
	} {
		folder := t.TempDir()
		for _, file := range row.right {
			if err := os.Symlink(filepath.Join(detector.Folder(), file), filepath.Join(folder, file)); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range row.wrong {
			if err := os.WriteFile(filepath.Join(folder, file), []byte("wrong"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		service := exec.Command(os.Args[0])
		service.Env = append(os.Environ(), asService+"=1", "TEXT_DETECTOR_FOLDER="+folder, "PORT=0")
		output, err := service.CombinedOutput()
		if service.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: must exit with 1: %v, %s", name, err, output)
		}
		for _, want := range row.want {
			if !strings.Contains(string(output), want) || !strings.Contains(string(output), folder) {
				t.Errorf("%s: %s lacks %s in %s", name, output, want, folder)
			}
		}
		t.Logf("%s: %s", name, output)
	}
}
