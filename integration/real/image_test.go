package real

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/documents"
)

// TestImage repeats the steps of `docker build` and `docker run --read-only` without a
// container engine. BuildKit reads the Dockerfile. Its commands run in a copy of the
// files that .dockerignore keeps. The files of the last stage, and no others, are the
// root directory of a process without root rights. The example must run there.
func TestImage(t *testing.T) {
	stages := dockerfile(t)
	image, process := assemble(t, stages[1], build(t, stages[0], ""))
	if len(process.entry) != 1 || process.user != "65532:65532" {
		t.Fatalf("runs %q as %q", process.entry, process.user)
	}
	binary := check.Value(elf.Open(filepath.Join(image, process.entry[0])))(t)
	defer binary.Close()
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs libraries: %v, %v", libraries, err)
	}
	port := freePort(t)
	contain(t, image, process, local(port), fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port))
	if got, err := post(t.Context(), local(port)+"/summarize", `{"text": "One. Two."}`); got != 200 {
		t.Errorf("got %d, %v", got, err)
	}
}

// TestImageInChart builds the example and the program of docs/kubernetes.md, and
// runs both as the chart does: with its arguments, its configuration file and the
// variable that names the file.
func TestImageInChart(t *testing.T) {
	programs := map[string]string{"/summarize": ""}
	blocks := check.Value(documents.Blocks(root, "go"))(t)
	for _, block := range blocks {
		if block.Document == "docs/kubernetes.md" {
			programs["/shout"] = block.Text
		}
	}
	stages := dockerfile(t)
	for api, program := range programs {
		port := freePort(t)
		rendered := render(t, "config.http.path_prefix=/ml", fmt.Sprint("config.http.port=", port))
		pod := at(objectOf(t, rendered, "Deployment", "bento-ekiben"), "spec", "template", "spec")
		image, process := assemble(t, stages[1], build(t, stages[0], program))
		mount, file := text(pod, "containers", 0, "volumeMounts", 0, "mountPath"), text(environ(pod), "EKIBEN_CONFIG")
		check.Must(t, errors.Join(os.MkdirAll(filepath.Join(image, mount), 0o755), os.WriteFile(filepath.Join(image, mount, "config.yaml"), []byte(configOf(t, rendered)), 0o644)))
		if at(pod, "containers", 0, "args") != nil || at(pod, "containers", 0, "command") != nil {
			t.Error("the chart overrides the arguments of the image")
		}
		base := local(port) + "/ml"
		contain(t, image, process, base, "EKIBEN_CONFIG="+file)
		if got, err := post(t.Context(), base+api, `{"text": "One. Two."}`); got != 200 {
			t.Errorf("%s: got %d, %v", api, got, err)
		}
	}
}

// contain runs the process of an image, as its user and in its root directory.
func contain(t *testing.T, image string, process contained, base, variable string) {
	t.Helper()
	cmd := program(filepath.Join(image, process.entry[0]), process.arguments...)
	cmd.Env = []string{variable}
	if os.Getuid() == 0 { // only root may change the root directory
		cmd.Path = process.entry[0]
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else if name, file, _ := strings.Cut(variable, "="); name == "EKIBEN_CONFIG" {
		cmd.Env = []string{name + "=" + filepath.Join(image, file)}
	}
	start(t, base+"/readyz", cmd)
}

// TestDocumentedImages checks the documented commands of docker and kind: build
// arguments exist, and every image was built by a command before.
func TestDocumentedImages(t *testing.T) {
	content := read(t, root, "Dockerfile")
	built, pod := map[string]bool{}, at(objectOf(t, render(t), "Deployment", "bento-ekiben"), "spec", "template", "spec", "containers", 0)
	commands, err := documents.Commands(root, "docker", "kind")
	if err != nil || len(commands) < 5 {
		t.Fatalf("%v %v", err, commands)
	}
	for _, command := range commands {
		args := documents.Words(command.Text)
		image := args[len(args)-1]
		switch strings.Join(args[:2], " ") {
		case "docker build":
			tag, _ := value(args, "--tag")
			built[tag] = true
			argument, given := value(args, "--build-arg")
			if name, _, _ := strings.Cut(argument, "="); given && !strings.Contains(content, "\nARG "+name+"=") {
				t.Errorf("%s: the Dockerfile has no such argument", command)
			}
		case "docker push", "kind load":
			if !built[image] {
				t.Errorf("%s: it was not built before: %v", command, built)
			}
		case "docker compose":
			file, _ := value(args, "--file")
			if _, err := compose(t.Context(), filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %v", command, err)
			}
		default:
			t.Errorf("%s: this test does not support it", command)
		}
	}
	if !built[text(pod, "image")] {
		t.Errorf("the chart runs %s, and the documentation builds %v", text(pod, "image"), built)
	}
}
