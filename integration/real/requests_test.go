package real

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// send sends JSON and returns the status of the response.
func send(t *testing.T, method, url, body string) int {
	t.Helper()
	status, err := request(t.Context(), method, url, body)
	if err != nil {
		t.Error(err)
	}
	return status
}

func post(ctx context.Context, url, body string) (int, error) {
	return request(ctx, http.MethodPost, url, body)
}

// connections is an HTTP client that keeps one connection open for each client of a
// load.
var connections = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

func request(ctx context.Context, method, url, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := connections.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode, nil
}

// fetch reads a URL as the kubelet does: without a proxy, and with any
// certificate. A status other than 200 is an error. BentoML accepts connections long
// before it is ready, and counts a request whose client has left.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get(url) //nolint:noctx // loopback
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(body), err
}

// clients send the same bodies in turn, over and over. Each waits for its response
// and then for pause. Without bodies they send GET.
type clients struct {
	n      int
	url    string
	pause  time.Duration
	bodies []string
}

// load sends requests from clients until stop is called or the test ends. It waits for
// the response of a request that was sent. answered counts the responses.
func load(t *testing.T, groups ...clients) (answered *atomic.Int64, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	answered = &atomic.Int64{}
	var sending sync.WaitGroup
	for _, c := range groups {
		for range c.n {
			sending.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					if c.send(ctx, i) == nil {
						answered.Add(1)
					}
					if c.pause == 0 {
						continue
					}
					select {
					case <-ctx.Done():
					case <-time.After(c.pause):
					}
				}
			})
		}
	}
	stop = sync.OnceFunc(func() { cancel(); sending.Wait() })
	t.Cleanup(stop)
	return answered, stop
}

func (c clients) send(ctx context.Context, i int) error {
	method, body := http.MethodGet, ""
	if len(c.bodies) > 0 {
		method, body = http.MethodPost, c.bodies[i%len(c.bodies)]
	}
	_, err := request(context.WithoutCancel(ctx), method, c.url, body)
	return err
}
