package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxResponse bounds a response, in bytes. An OTLP response has a few bytes, or a
// message.
const maxResponse = 1 << 20

// httpTransport sends over HTTP. OpenTelemetry's own exporters for HTTP link gRPC,
// through the generated types of their responses, also in a program that never uses
// gRPC (docs/decisions/0015).
type httpTransport struct {
	target Target
	client http.Client
}

func dialHTTP(target Target) (Transport, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, TLSClientConfig: target.TLS}
	return &httpTransport{target: target, client: http.Client{Transport: transport, CheckRedirect: sameHost}}, nil
}

// sameHost allows only redirects that keep the method, the host and TLS, because
// headers may be secrets.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	downgrade := first.Scheme == "https" && next.URL.Scheme != "https"
	if next.Method != http.MethodPost || next.URL.Hostname() != first.Hostname() || downgrade || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

func (t *httpTransport) Close() error {
	t.client.CloseIdleConnections()
	return nil
}

// Send implements [Transport].
func (t *httpTransport) Send(ctx context.Context, request []byte) (Response, error) {
	var responded atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { responded.Store(true) }})
	r, err := t.request(ctx, request)
	if err != nil {
		return Response{}, &Error{Reason: ReasonInternal, Err: err}
	}
	response, err := t.client.Do(r)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			failed.URL = shownText(failed.URL)
		}
		return Response{}, failedRead(ctx, err, responded.Load())
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case err != nil:
		return Response{}, failedRead(ctx, err, true)
	case response.StatusCode/100 != 2:
		return Response{}, failedStatus(response, body)
	}
	return accepted(response, body)
}

// request makes the request of one attempt. A configured header cannot replace the
// content type, which describes the body.
func (t *httpTransport) request(ctx context.Context, body []byte) (*http.Request, error) {
	encoding := ""
	if t.target.Gzip {
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		body, encoding = compressed.Bytes(), "gzip"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.target.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "ekiben-otlp")
	for name, value := range t.target.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r, nil
}

// failedRead classifies a request without a complete response. If bytes came
// and the error is not one of the network, the bytes were not HTTP.
func failedRead(ctx context.Context, err error, responded bool) error {
	var operation *net.OpError
	broken := errors.As(err, &operation) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	reason := ReasonOf(err)
	if ctx.Err() != nil { // net/http returns its cause, which can be any error
		reason = ReasonTimeout
	}
	if responded && reason == ReasonUnreachable && !broken {
		reason = ReasonInvalidResponse
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		err = fmt.Errorf("%w; the server does not use TLS: write otlp.endpoint with http://, or without a scheme and set otlp.tls.insecure", err)
	}
	return &Error{Reason: reason, Err: err, Retry: reason == ReasonUnreachable}
}

// failedStatus classifies a response by its status. The statuses to retry are those of
// OTLP's specification.
func failedStatus(response *http.Response, body []byte) error {
	err := fmt.Errorf("the collector responded %s to POST %s: %s", response.Status, shown(response.Request.URL), excerpt(body))
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return &Error{Reason: ReasonUnavailable, Err: err, Retry: true, After: retryAfter(response.Header.Get("Retry-After"))}
	case status < 400:
		if location := response.Header.Get("Location"); location != "" {
			err = fmt.Errorf("the collector redirected (%s) to %s, which is not followed", response.Status, excerpt(shownText(location)))
		}
		return &Error{Reason: ReasonInvalidResponse, Err: err}
	}
	return &Error{Reason: ReasonRejected, Err: err}
}

// shownText is [shown] for the text of a URL.
func shownText(text string) string {
	at, err := url.Parse(text)
	if err != nil {
		return "<secret>"
	}
	return shown(at)
}

// retryAfter reads a number of seconds, or a date; 0 if it is neither.
func retryAfter(value string) time.Duration {
	const most = 24 * time.Hour // more than any timeout, and no overflow
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), most)
	}
	return 0
}

// accepted returns the body of a successful response, if it may be OTLP.
func accepted(response *http.Response, body []byte) (Response, error) {
	given := response.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(given)
	switch {
	case len(body) > maxResponse:
		err = fmt.Errorf("the collector's response is larger than %d bytes", maxResponse)
	case len(body) == 0:
		return Response{}, nil
	case kind == "application/x-protobuf", kind == "application/protobuf", kind == "application/octet-stream", given == "":
		return Response{Body: body}, nil
	case strings.HasSuffix(kind, "/json"):
		return Response{Body: body, JSON: true}, nil
	case err == nil:
		err = fmt.Errorf("the collector's response is not OTLP: its content type is %q", given)
	}
	return Response{}, &Error{Reason: ReasonInvalidResponse, Err: err}
}
