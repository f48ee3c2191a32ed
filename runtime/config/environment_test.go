package config

import (
	"os"
	"slices"
	"testing"
)

// What ekiben serve, and every program like it, reads.
func TestFromEnvironment(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(FileVariable, "")
	t.Setenv("EKIBEN_TRAFFIC__TIMEOUT", "7")
	if s := FromEnvironment(); s.File != "" || !slices.Contains(s.Environ, "EKIBEN_TRAFFIC__TIMEOUT=7") {
		t.Errorf("without a file: got %q", s.File)
	}
	load := func() Config {
		t.Helper()
		loaded, err := FromEnvironment().Load(Default())
		if err != nil {
			t.Fatal(err)
		}
		return loaded.Config
	}
	for file, text := range map[string]string{DefaultFile: "http: {port: 1}\ntraffic: {timeout: 1}\n", "other.yaml": "http: {port: 2}\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cfg := load(); cfg.HTTP.Port != 1 || cfg.Traffic.Timeout.Seconds() != 7 {
		t.Errorf("config.yaml: got %d, %s", cfg.HTTP.Port, cfg.Traffic.Timeout)
	}
	t.Setenv(FileVariable, "other.yaml")
	if cfg := load(); cfg.HTTP.Port != 2 {
		t.Errorf("EKIBEN_CONFIG: got %d", cfg.HTTP.Port)
	}
	t.Setenv(FileVariable, "none.yaml")
	if _, err := FromEnvironment().Load(Default()); err == nil || err.Error() != "EKIBEN_CONFIG: none.yaml: no such file" {
		t.Errorf("a file that is not there: got %v", err)
	}
}

// A file that was there is missed, one that was not is not read: a reload sees
// the files of the start.
func TestFromEnvironmentIsSettled(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(FileVariable, "")
	before := FromEnvironment()
	if err := os.WriteFile(DefaultFile, []byte("http: {port: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if loaded, err := before.Load(Default()); err != nil || loaded.Config.HTTP.Port != 3000 {
		t.Error("a file that was made later was read", err)
	}
	after := FromEnvironment()
	if err := os.Remove(DefaultFile); err != nil {
		t.Fatal(err)
	}
	if _, err := after.Load(Default()); err == nil || err.Error() != "config.yaml: no such file" {
		t.Errorf("got %v", err)
	}
}
