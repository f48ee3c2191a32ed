package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, file, content string) {
	t.Helper()
	check.Must(t, os.WriteFile(file, []byte(content), 0o600))
}

// mount updates files as the kubelet updates a ConfigMap: it makes a new directory and
// replaces the link to the old one by a rename.
func mount(t *testing.T, dir, version, content string) {
	t.Helper()
	check.Must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
	write(t, filepath.Join(dir, version, "config.yaml"), content)
	check.Must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

// A change of a file is noticed, however the file is changed.
func TestFiles(t *testing.T) {
	plain := func(t *testing.T, file string) { write(t, file, "before") }
	for name, test := range map[string]struct {
		prepare, change func(t *testing.T, file string)
	}{
		"written in place": {plain, func(t *testing.T, file string) { write(t, file, "after") }},
		"renamed over": {plain, func(t *testing.T, file string) {
			write(t, file+".new", "after")
			check.Must(t, os.Rename(file+".new", file))
		}},
		"made": {func(*testing.T, string) {}, func(t *testing.T, file string) { write(t, file, "after") }},
		"link of a ConfigMap swapped": {func(t *testing.T, file string) {
			mount(t, filepath.Dir(file), "..1", "before")
			check.Must(t, os.Symlink("..data/config.yaml", file))
		}, func(t *testing.T, file string) { mount(t, filepath.Dir(file), "..2", "after") }},
		"link whose target is written": {func(t *testing.T, file string) {
			target := filepath.Join(t.TempDir(), "target")
			write(t, target, "before")
			check.Must(t, os.Symlink(target, file))
		}, func(t *testing.T, file string) { write(t, file, "after") }},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			test.prepare(t, file)
			changes := follows(t, Of([]string{file}), file)
			test.change(t, file)
			awaitContent(t, changes, "after")
		})
	}
}

// A file that is removed has changed, and has changed again when it is back.
func TestRemovedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, "before")
	changes := follows(t, Of([]string{file}), file)
	check.Must(t, os.Remove(file))
	awaitContent(t, changes, "")
	write(t, file, "after")
	awaitContent(t, changes, "after")
}

// A change before Files begins is noticed; without one, changed is not called.
func TestEarlierChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, "before")
	before := Of([]string{file})
	write(t, file, "after")
	check.Equal(t, <-follows(t, before, file), "after")
	unchanged := follows(t, Of([]string{file}), file)
	write(t, file, "last")
	awaitContent(t, unchanged, "last")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := Files(ended, Of([]string{file}), func() []string { return []string{file} }, func() { t.Error("nothing has changed") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// follows runs Files until the test ends, and sends the content of the file after each
// change.
func follows(t *testing.T, before Fingerprint, file string) <-chan string {
	t.Helper()
	changes, looked := make(chan string, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	asked := 0
	go func() {
		done <- Files(ctx, before, func() []string {
			if asked++; asked == 3 { // it has watched since the first call and compared since the second
				close(looked)
			}
			return []string{file}
		}, func() {
			content, _ := os.ReadFile(file)
			changes <- string(content)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Files: %v", err)
		}
	})
	<-looked
	return changes
}

// awaitContent waits until the content is want. Other content may come before: a file
// that is written in place is empty for a moment.
func awaitContent(t *testing.T, changes <-chan string, want string) {
	t.Helper()
	for got := range changes {
		if got == want {
			return
		}
	}
}
