package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// wireKinds are requests below net/http's client.
func wireKinds() []kind {
	refused := []int{http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusExpectationFailed, http.StatusUnsupportedMediaType, http.StatusMethodNotAllowed}
	return []kind{
		{name: "malformed HTTP", weight: 30, act: (*actor).malformed, seen: append(refused, http.StatusNotFound) /* of PRI * */, mayLose: true, mayCut: true, enters: never, adds: 1 /* of PRI * too */},
		{name: "malformed body framing", weight: 10, act: (*actor).misframed, seen: refused, lost: left, mayLose: true, mayCut: true, halfway: true, enters: maybe},
		{name: "HTTP/1.0", weight: 5, act: (*actor).old, seen: fine},
		{name: "pipelined", weight: 10, act: (*actor).pipelined, seen: fine, mayLose: true, enters: maybe}, // behind "Connection: close" of a server that drains,
	}
}

// malformedHeads are requests that net/http must refuse before a handler. %s is a path.
var malformedHeads = []string{
	"GET %s\r\n\r\n",
	"GET  %s HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET %s HTTP/1.1 \r\nHost: a\r\n\r\n",
	"GET %s HTTP/9.9\r\nHost: a\r\n\r\n",
	"GET %s http/1.1\r\nHost: a\r\n\r\n",
	"GET %s HTTP/1.1\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n",
	"GET %s HTTP/1.1\r\n Host: a\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
	"GET %s HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
	"G\x00T %s HTTP/1.1\r\nHost: a\r\n\r\n",
	"G(T %s HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET %s%%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
	"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%s",
	"PRI * HTTP/2.0\r\n\r\nXX%s",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x00%s",
	"\r\n\r\n%s\r\n\r\n",
	"%s\x00\xff\xfe\r\n\r\n",
}

// malformed sends a head of the corpus, or a header that is too large.
func (a *actor) malformed() outcome {
	n := a.rand.IntN(len(malformedHeads) + 1)
	if n == len(malformedHeads) {
		return a.raw("GET " + a.path("/plain") + " HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 80_000) + "\r\n\r\n")
	}
	return a.with(func(conn *net.TCPConn) outcome {
		if _, err := fmt.Fprintf(conn, malformedHeads[n], a.path("/plain")); err != nil {
			return outcome{err: err}
		}
		_ = conn.CloseWrite() // the server may wait for more
		return a.lastOf(conn)
	})
}

// lastOf is last for a connection that may have become one of HTTP/2, which has no response.
func (a *actor) lastOf(conn *net.TCPConn) outcome {
	from := bufio.NewReader(conn)
	if head, err := from.Peek(5); err != nil || string(head) != "HTTP/" {
		return outcome{err: errLeft}
	}
	return a.lastFrom(conn, from)
}

// misframedBodies are chunked bodies that are wrong.
var misframedBodies = []string{
	"zz\r\nabc\r\n0\r\n\r\n",
	"-1\r\nabc\r\n0\r\n\r\n",
	"ffffffffffffffffff\r\nabc",
	"3\r\nabcd\r\n0\r\n\r\n",
	"3\nabc\n0\n\n",
	"3;x=\x00\r\nabc\r\n0\r\n\r\n",
	"0\r\nBad Name: x\r\n\r\n",
	strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 50) + "0\r\n\r\n",
}

func (a *actor) misframed() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		head := "POST " + a.path("/plain") + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		if _, err := io.WriteString(conn, head+misframedBodies[a.rand.IntN(len(misframedBodies))]); err != nil {
			return outcome{err: err}
		}
		_ = conn.CloseWrite()
		return a.lastOf(conn)
	})
}

func (a *actor) old() outcome {
	body := a.order("", 0, 0)
	return a.raw(strings.Replace(a.head(a.path("/plain"), len(body), ""), "HTTP/1.1", "HTTP/1.0", 1) + body)
}

// pipelined sends several requests at once on one connection. Their responses must come in order.
func (a *actor) pipelined() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		all := []*actor{a, a.another(), a.another()}
		var text strings.Builder
		for _, one := range all {
			body := one.order("", 0, one.rand.IntN(3000))
			text.WriteString(one.head(one.path("/plain"), len(body), "") + body)
		}
		_, err := io.WriteString(conn, text.String())
		from := bufio.NewReader(conn)
		var first outcome
		for i, one := range all {
			got := outcome{err: err}
			if err == nil {
				if i == len(all)-1 {
					got = one.lastFrom(conn, from)
				} else if response, failed := http.ReadResponse(from, nil); failed != nil {
					got.err = failed
				} else {
					got = one.read(response)
				}
			}
			if i == 0 {
				first = got
			} else {
				one.end(got)
			}
		}
		return first
	})
}

// anyLabel asks a mount whose pattern has any bytes.
func (a *actor) anyLabel() outcome {
	return a.post(a.h1, a.path("/any")+"?label="+url.QueryEscape(strange[a.rand.IntN(len(strange))]), "")
}

// strange are patterns that a mount's handler reports.
var strange = []string{
	"/a", "/\"quoted\"", "/back\\slash", "/new\nline", "/\x00nul", "/\xff\xfe", "/\xc3\x28", "/ü", "/日本", "/\u202e", "/\ufeff", "/{le=\"1\"}",
	"/# EOF", "/a b", "/\t", "/\r", "/" + "\U0010ffff", "/\xed\xa0\x80", "/'", "/,", "/}",
}
