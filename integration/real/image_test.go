package real

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/documents"
)

// TestImage does what `docker build` and `docker run --read-only` would do with
// the Dockerfile, as far as that can be had without a container engine: BuildKit
// reads it; its commands run in a copy of what .dockerignore leaves; the last
// stage's files, and no others, are the root of a process that is not root. The
// example answers there.
func TestImage(t *testing.T) {
	stages := dockerfile(t)
	image, process := assemble(t, stages[1], build(t, stages[0], ""))
	if len(process.entry) != 1 || process.user != "65532:65532" {
		t.Fatalf("runs %q as %q", process.entry, process.user)
	}
	binary, err := elf.Open(filepath.Join(image, process.entry[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs %v, %v", libraries, err)
	}
	port := freePort(t)
	contain(t, image, process, local(port), fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port))
	if got, err := post(t.Context(), local(port)+"/summarize", `{"text": "One. Two."}`); got != 200 {
		t.Errorf("got %d, %v", got, err)
	}
}

// TestImageInChart builds the program of docs/kubernetes.md in place of the
// example, and runs both as the chart does: with its arguments, its file where it
// mounts that, and the variable that names it.
func TestImageInChart(t *testing.T) {
	programs := map[string]string{"/summarize": ""}
	blocks, err := documents.Blocks(root, "go")
	if err != nil {
		t.Fatal(err)
	}
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
		if err := errors.Join(os.MkdirAll(filepath.Join(image, mount), 0o755), os.WriteFile(filepath.Join(image, mount, "config.yaml"), []byte(configOf(t, rendered)), 0o644)); err != nil {
			t.Fatal(err)
		}
		if at(pod, "containers", 0, "args") != nil || at(pod, "containers", 0, "command") != nil {
			t.Error("the chart's arguments are not the image's")
		}
		base := local(port) + "/ml"
		contain(t, image, process, base, "EKIBEN_CONFIG="+file)
		if got, err := post(t.Context(), base+api, `{"text": "One. Two."}`); got != 200 {
			t.Errorf("%s: got %d, %v", api, got, err)
		}
	}
}

// contain runs an image's program, as its user and with its root, until the test
// ends.
func contain(t *testing.T, image string, process contained, base, variable string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), filepath.Join(image, process.entry[0]), process.arguments...)
	cmd.Env = []string{variable}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // who else may not change the root
		cmd.Path = process.entry[0]
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else if name, file, _ := strings.Cut(variable, "="); name == "EKIBEN_CONFIG" {
		cmd.Env = []string{name + "=" + filepath.Join(image, file)}
	}
	launch(t, base+"/readyz", cmd)
}

// TestDocumentedImages holds what the documentation does with images against the
// Dockerfile, the chart and what was built before.
func TestDocumentedImages(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
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
			if name, _, _ := strings.Cut(argument, "="); given && !strings.Contains(string(content), "\nARG "+name+"=") {
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
			t.Errorf("%s: this test does not know it", command)
		}
	}
	if !built[text(pod, "image")] {
		t.Errorf("the chart runs %s, and the documentation builds %v", text(pod, "image"), built)
	}
}
