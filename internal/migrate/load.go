package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// maxPage bounds the memory that a page may take.
const maxPage = 64 << 20

// Load reads a page from an http or https URL, from a file, or from standard
// input, which is "-". A URL is asked for the text format, as it is what all
// servers have. timeout bounds it; 0: no limit. Errors name the source, and what
// was found there.
func Load(ctx context.Context, source string, stdin io.Reader, timeout time.Duration) (*Page, error) {
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
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in, name = file, source
	}
	body, err := readPage(name, in)
	if err != nil {
		return nil, err
	}
	return Parse(name, body, "")
}

func fetch(ctx context.Context, url string) (*Page, error) {
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
		return nil, fmt.Errorf("%s: must answer 200, found %s", url, res.Status)
	}
	body, err := readPage(url, res.Body)
	if err != nil {
		return nil, err
	}
	return Parse(url, body, res.Header.Get("Content-Type"))
}

func readPage(name string, in io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(in, maxPage+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(body) > maxPage {
		return nil, errors.New(name + ": must be at most 64 MB")
	}
	return body, nil
}
