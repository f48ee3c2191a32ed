package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxSize bounds the memory for one response or file.
const maxSize = 64 << 20

// Load reads metrics from an http or https URL, from a file, or from standard input
// if source is "-". It asks a URL for the text format, which every server has.
// timeout bounds the request; 0: no limit. Errors name the source and what was found.
func Load(ctx context.Context, source string, stdin io.Reader, timeout time.Duration) (*Metrics, error) {
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return fetch(ctx, source)
	}
	in, name := stdin, "standard input"
	if source != "-" {
		file, err := os.Open(source)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, missing(source)
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in, name = file, source
	}
	body, err := readBounded(name, in)
	if err != nil {
		return nil, err
	}
	return Parse(name, body, "")
}

func fetch(ctx context.Context, url string) (*Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: must respond with 200, found %s", url, res.Status)
	}
	body, err := readBounded(url, res.Body)
	if err != nil {
		return nil, err
	}
	return Parse(url, body, res.Header.Get("Content-Type"))
}

func readBounded(name string, in io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(body) > maxSize {
		return nil, errors.New(name + ": must be at most 64 MB")
	}
	return body, nil
}

// missing returns the error for a source that does not exist, as other commands have
// it. If the source looks like an address, it says how to write a URL.
func missing(source string) error {
	text := source + ": no such file"
	host, path, _ := strings.Cut(source, "/")
	_, port, isAddress := strings.Cut(host, ":")
	if _, notNumber := strconv.ParseUint(port, 10, 16); isAddress && notNumber == nil || path == "metrics" && host != "" && host != "." && host != ".." {
		text += "; for a URL write http://" + source
	}
	return errors.New(text)
}
