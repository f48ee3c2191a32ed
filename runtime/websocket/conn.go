package websocket

import (
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/ekiben-serving/ekiben/runtime/internal/sockethost"
)

// Message is one message of a socket.
type Message struct {
	// Text reports whether Data is text, which is valid UTF-8. Otherwise it is binary.
	Text bool
	Data []byte
}

// Conn is an open socket. One goroutine may read while others write.
//
// Its methods return [io.EOF] after the client has closed the socket as usual, and a
// [*CloseError] after it was closed or lost otherwise. A function may return both as they
// are.
type Conn struct {
	ws      *websocket.Conn
	conn    *tracked
	request *http.Request
	host    sockethost.Host
	set     *options
	cancel  context.CancelCauseFunc

	messages chan Message // from receive
	traffic
	writing sync.Mutex
	running sync.WaitGroup // receive and watch

	mu     sync.Mutex
	err    error         // what methods return; nil: the socket is open
	ended  chan struct{} // closed when err is set
	closed chan struct{} // closed when the connection is closed
}

// traffic is what a socket does now, for watch.
type traffic struct {
	began   time.Time
	active  atomic.Int64 // when a message was last received or sent, after began
	blocked atomic.Bool  // receive waits for the function
	sending atomic.Bool  // a message is being sent
}

func newConn(ws *websocket.Conn, conn *tracked, r *http.Request, host sockethost.Host, set *options, cancel context.CancelCauseFunc) *Conn {
	ws.SetReadLimit(-1) // receive limits
	return &Conn{
		ws: ws, conn: conn, request: r, host: host, set: set, cancel: cancel, traffic: traffic{began: conn.began},
		messages: make(chan Message), ended: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Request returns the request of the handshake, with its path values, query, header and
// cookies.
func (c *Conn) Request() *http.Request { return c.request }

// Subprotocol returns the subprotocol that was chosen, or "".
func (c *Conn) Subprotocol() string { return c.ws.Subprotocol() }

// Read waits for the next message. One goroutine may read at a time. While nobody reads, a
// client that sends more than one message waits.
func (c *Conn) Read() (Message, error) {
	select {
	case m := <-c.messages:
		c.host.Received(size(m))
		return m, nil
	case <-c.ended:
		return Message{}, c.failure()
	}
}

// ReadText waits for the next message, which must be text. A binary one is an error that
// closes the socket with 1003.
func (c *Conn) ReadText() (string, error) {
	m, err := c.Read()
	if err == nil && !m.Text {
		return "", c.end(&CloseError{Code: 1003, Reason: "messages must be text, found a binary one"})
	}
	return string(m.Data), err
}

// ReadBinary waits for the next message, which must be binary. Text is an error that
// closes the socket with 1003.
func (c *Conn) ReadBinary() ([]byte, error) {
	m, err := c.Read()
	if err == nil && m.Text {
		return nil, c.end(&CloseError{Code: 1003, Reason: "messages must be binary, found text"})
	}
	return m.Data, err
}

// ReadJSON decodes the next message into v, whether it is text or binary. Data that does
// not fit is an error that closes the socket with 1007.
func (c *Conn) ReadJSON(v any) error {
	m, err := c.Read()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(m.Data, v); err != nil {
		return c.end(&CloseError{Code: 1007, Reason: clipped("the message is not the JSON that is expected: " + err.Error())})
	}
	return nil
}

// Write sends a message. A client that does not read blocks it, for at most
// [WriteTimeout].
func (c *Conn) Write(m Message) error {
	kind := websocket.MessageBinary
	if m.Text {
		kind = websocket.MessageText
		if !utf8.Valid(m.Data) {
			return fmt.Errorf("websocket: text must be valid UTF-8, found %.20q; send it as binary", m.Data)
		}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.failure(); err != nil {
		return err
	}
	c.host.Sent(size(m)) // before the client can have it
	if c.set.writeTimeout > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(c.set.writeTimeout))
	}
	c.sending.Store(true)
	err := c.ws.Write(context.Background(), kind, m.Data)
	c.sending.Store(false)
	c.notice(&c.active)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.failure() == nil:
		return c.end(&CloseError{Code: lost, Reason: "the client did not read a message within " + c.set.writeTimeout.String()})
	case err != nil:
		return c.end(c.reasonOf(err))
	}
	if c.set.writeTimeout > 0 && c.failure() == nil { // else end has set a deadline
		_ = c.conn.SetWriteDeadline(time.Time{})
	}
	return nil
}

// WriteText sends text.
func (c *Conn) WriteText(text string) error { return c.Write(Message{Text: true, Data: []byte(text)}) }

// WriteBinary sends bytes.
func (c *Conn) WriteBinary(data []byte) error { return c.Write(Message{Data: data}) }

// WriteJSON sends a value as JSON, in a text message.
func (c *Conn) WriteJSON(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	return c.Write(Message{Text: true, Data: data})
}

// Close closes the socket with a code and a reason that [CloseError] allows. It waits up
// to five seconds for the client to close it too. A second call does nothing.
func (c *Conn) Close(code int, reason string) error {
	e := &CloseError{Code: code, Reason: reason}
	if err := e.check(); err != nil {
		return err
	}
	_ = c.end(e)
	return nil
}

// size returns the size of a message as BentoML counts it: bytes, or the characters of text.
func size(m Message) int {
	if m.Text {
		return utf8.RuneCount(m.Data)
	}
	return len(m.Data)
}

// failure returns why the socket is closed; nil: it is open.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// closeTimeout bounds how long a close handshake takes.
const closeTimeout = 5 * time.Second

// end closes the socket, once, and returns why it is closed.
func (c *Conn) end(why *CloseError) error {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	c.err = why
	if why.byClient && (why.Code == 1000 || why.Code == 1001 || why.Code == 1005) {
		c.err = io.EOF
	}
	c.mu.Unlock()
	_ = c.conn.SetDeadline(time.Now().Add(closeTimeout))
	c.host.Closed(why.Code) // before the client can know it
	close(c.ended)
	c.cancel(why)
	if !why.byClient && why.Code != lost {
		_ = c.ws.Close(websocket.StatusCode(why.Code), why.Reason)
	}
	_ = c.conn.Close()
	_ = c.ws.CloseNow()
	close(c.closed)
	return c.err
}

// drain closes the socket because the app ends.
func (c *Conn) drain() { _ = c.end(&CloseError{Code: 1001, Reason: "the server is shutting down"}) }

// finish ends a socket whose function has returned err, and waits until nothing of it runs.
func (c *Conn) finish(err error, stack []byte) {
	why := (*CloseError)(nil)
	open := c.failure() == nil
	switch {
	case err == nil:
		_ = c.end(&CloseError{Code: 1000})
	case stack == nil && errors.As(err, &why) && (!open || why.Code == lost || why.check() == nil):
		_ = c.end(why)
	case !open && stack == nil && (errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)): // because it is closed
	default:
		if why != nil {
			err = fmt.Errorf("%w: %w", why.check(), err)
		}
		c.host.Failed(err, stack)
		_ = c.end(&CloseError{Code: 1011, Reason: "an unexpected error has occurred, see the log of the server"})
	}
	<-c.closed
	c.running.Wait()
}

// start starts to receive and to watch.
func (c *Conn) start() {
	c.active.Store(int64(time.Since(c.began)))
	c.running.Go(c.receive)
	if c.set.ping > 0 || c.set.idle > 0 {
		c.running.Go(c.watch)
	}
}

// receive reads frames until the socket ends, also while the function does something else:
// it notices when the client leaves.
func (c *Conn) receive() {
	for {
		m, err := c.next()
		if err != nil {
			_ = c.end(c.reasonOf(err))
			return
		}
		c.notice(&c.active)
		c.blocked.Store(true)
		select {
		case c.messages <- m:
			c.notice(&c.conn.heard)
			c.blocked.Store(false)
		case <-c.ended:
			return
		}
	}
}

// next reads a whole message.
func (c *Conn) next() (Message, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return Message{}, err
	}
	data, err := io.ReadAll(io.LimitReader(r, min(c.set.maxMessage, math.MaxInt64-1)+1))
	switch {
	case err != nil:
		return Message{}, err
	case int64(len(data)) > c.set.maxMessage:
		return Message{}, &CloseError{Code: 1009, Reason: fmt.Sprintf("a message must have at most %d bytes", c.set.maxMessage)}
	case kind == websocket.MessageText && !utf8.Valid(data):
		return Message{}, &CloseError{Code: 1007, Reason: "text must be valid UTF-8"}
	}
	return Message{Text: kind == websocket.MessageText, Data: data}, nil
}

// reasonOf returns why a socket ends that cannot be read or written.
func (c *Conn) reasonOf(err error) *CloseError {
	var ours *CloseError
	var theirs websocket.CloseError
	var network net.Error
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &theirs):
		return &CloseError{Code: int(theirs.Code), Reason: theirs.Reason, byClient: true}
	case errors.As(err, &corrupt):
		return &CloseError{Code: 1007, Reason: "the message is not compressed as agreed"}
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return &CloseError{Code: lost, Reason: "the client has left: " + err.Error()}
	}
	return &CloseError{Code: 1002, Reason: clipped(err.Error())}
}

// watch sends pings, and ends the socket when its client is gone or idle.
func (c *Conn) watch() {
	nextPing, nextIdle := c.set.ping, c.set.idle
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Since(c.began)
		if c.set.idle > 0 {
			nextIdle = time.Duration(c.active.Load()) + c.set.idle
			if nextIdle <= now {
				_ = c.end(&CloseError{Code: 1001, Reason: "no message within " + c.set.idle.String()})
				return
			}
		}
		if c.set.ping > 0 && nextPing <= now {
			if !c.ping() {
				_ = c.end(&CloseError{Code: lost, Reason: "the client did not respond to a ping within " + c.set.ping.String()})
				return
			}
			now = time.Since(c.began)
			nextPing = now + c.set.ping
		}
		wait := nextIdle - now
		if c.set.ping > 0 && (c.set.idle == 0 || nextPing < nextIdle) {
			wait = nextPing - now
		}
		timer.Reset(max(wait, 0))
		select {
		case <-timer.C:
		case <-c.ended:
			return
		}
	}
}

// ping sends a ping and waits for its pong. It reports whether the client is there: any
// byte that it sends tells so. While the function does not read, or a message is being
// sent, nothing can be told.
func (c *Conn) ping() bool {
	began := time.Since(c.began)
	ctx, cancel := context.WithTimeout(context.Background(), c.set.ping)
	defer cancel()
	err := c.ws.Ping(ctx)
	return err == nil || c.blocked.Load() || c.sending.Load() || time.Duration(c.conn.heard.Load()) >= began || c.failure() != nil
}

// notice stores the present.
func (c *Conn) notice(at *atomic.Int64) { at.Store(int64(time.Since(c.began))) }
