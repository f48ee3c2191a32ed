package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzhttp"
)

// flushing is middleware that wraps the writer and can flush.
func flushing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct {
			http.ResponseWriter
			http.Flusher
		}{w, w.(http.Flusher)}, r)
	})
}

// buffering is middleware that sends the response after its handler has returned.
func buffering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buffer := httptest.NewRecorder()
		next.ServeHTTP(buffer, r)
		for name, values := range buffer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(buffer.Code)
		_, _ = w.Write(buffer.Body.Bytes())
	})
}

// compressing is middleware that compresses responses of at least size bytes.
func compressing(size int) func(http.Handler) http.Handler {
	wrapper, err := gzhttp.NewWrapper(gzhttp.MinSize(size))
	if err != nil {
		panic(err)
	}
	return func(next http.Handler) http.Handler { return wrapper(next) }
}

// spy is middleware that records the status of each response.
type spy struct {
	mu   sync.Mutex
	seen []int
}

func (s *spy) use(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&spied{w, s}, r)
	})
}

func (s *spy) statuses() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

type spied struct {
	http.ResponseWriter
	spy *spy
}

func (w *spied) WriteHeader(status int) {
	w.spy.mu.Lock()
	w.spy.seen = append(w.spy.seen, status)
	w.spy.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

var around = map[string]func(http.Handler) http.Handler{
	"plain": nil, "without Flush": wrap, "flushing": flushing, "buffering": buffering,
	"compressing": compressing(1), "compressing from 1 kB": compressing(gzhttp.DefaultMinSize),
}
