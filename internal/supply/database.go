package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// database has the known vulnerabilities of Go modules.
type database struct {
	url  string // for govulncheck
	name string
	date time.Time // of its last change
}

const (
	served = "https://vuln.go.dev"
	// repository is what served is made from, without the date of each entry. Module
	// proxies have it, also where nothing else is reached.
	repository = "golang.org/x/vulndb@latest"
)

// find returns the database at url, or else the one in a module.
func find(ctx context.Context, url, module string) (database, error) {
	atServer, err := fromServer(ctx, url)
	if err == nil {
		return atServer, nil
	}
	inProxy, failed := fromProxy(ctx, module)
	if failed != nil {
		return database{}, errors.Join(err, failed)
	}
	return inProxy, nil
}

// fromServer asks a database when it changed, and gives it 5 s to respond.
func fromServer(ctx context.Context, url string) (database, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/index/db.json", http.NoBody)
	if err != nil {
		return database{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return database{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var index struct {
		Modified time.Time `json:"modified"`
	}
	if response.StatusCode != http.StatusOK {
		return database{}, fmt.Errorf("%s: must respond 200, found %s", url, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&index); err != nil {
		return database{}, fmt.Errorf("%s: %w", url, err)
	}
	return database{url: url, name: url, date: index.Modified}, nil
}

// fromProxy downloads a module with the entries as files.
func fromProxy(ctx context.Context, module string) (database, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	command.Stderr = os.Stderr
	printed, failed := command.Output()
	var m struct {
		Path    string `json:"Path"`
		Version string `json:"Version"`
		Error   string `json:"Error"`
		Dir     string `json:"Dir"`
		Info    string `json:"Info"` // a file
	}
	if err := json.Unmarshal(printed, &m); err != nil {
		return database{}, errors.Join(failed, fmt.Errorf("go mod download %s: %w", module, err))
	}
	if failed != nil || m.Error != "" {
		return database{}, fmt.Errorf("go mod download: %s", m.Error)
	}
	text, err := os.ReadFile(m.Info)
	if err != nil {
		return database{}, err
	}
	var info struct {
		Time time.Time `json:"Time"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return database{}, fmt.Errorf("%s: %w", m.Info, err)
	}
	folder := filepath.ToSlash(filepath.Join(m.Dir, "data", "osv"))
	return database{url: "file://" + folder, name: m.Path + "@" + m.Version, date: info.Time}, nil
}
