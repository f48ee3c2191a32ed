package body

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func post(text string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(text))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// Bodies take from the budget as they arrive, and a body that finds no room is a 503. What was
// taken is given back, also by a body that was refused in the middle. Small bodies are free.
func TestBudget(t *testing.T) {
	var budget Budget
	budget.Limit(1 << 20)
	accepts := Accepts{Budget: &budget}
	large := strings.Repeat("x", 700<<10)
	var first, second, small Reader
	if _, refused := first.ReadAll(post(large), 0, accepts); refused != nil || budget.Held() < 690<<10 {
		t.Errorf("the first: %+v, %d bytes are held", refused, budget.Held())
	}
	_, refused := second.ReadAll(post(large), 0, accepts)
	if refused == nil || refused.Status != http.StatusServiceUnavailable || !refused.Unread || !refused.NoRoom() {
		t.Errorf("the second: %+v", refused)
	}
	second.Release()
	if whole, refused := small.ReadAll(post("{}"), 0, accepts); !whole || refused != nil {
		t.Errorf("a small one: %+v", refused)
	}
	first.Release()
	first.Release()
	check.Equal(t, budget.Held(), 0)
	second.Reset()
	if _, refused := second.ReadAll(post(large), 0, accepts); refused != nil {
		t.Errorf("the second again: %+v", refused)
	}
	second.Hold(10 << 20) // a response is made already
	if _, refused := first.ReadAll(post(large), 0, accepts); refused == nil {
		t.Error("there was room beside a large response")
	}
	first.Release()
	second.Release()
	check.Equal(t, budget.Held(), 0)
}

// What a client claims in Content-Length takes nothing; compressed bodies count as they are in
// memory; files on disk do not count.
func TestBudgetCountsMemory(t *testing.T) {
	var budget Budget
	budget.Limit(1 << 20)
	accepts := Accepts{Budget: &budget}
	var b Reader
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), strings.NewReader("")))
	r.ContentLength = 100 << 20
	_, _ = b.ReadAll(r, 0, accepts)
	check.Equal(t, budget.Held(), 0)
	b.Reset()
	packed := gzipped(t, strings.Repeat("x", 4<<20))
	if _, refused := b.ReadAll(post(packed, "Content-Encoding", "gzip"), 0, accepts); refused == nil || !refused.NoRoom() {
		t.Errorf("a body of 4 MB in %d bytes: %+v", len(packed), refused)
	}
	b.Release()
	b.Reset()
	accepts.Whole, accepts.Spool = true, Spool{Memory: 1 << 10, Directory: t.TempDir()}
	if _, refused := b.ReadAll(post(strings.Repeat("x", 8<<20)), 0, accepts); refused != nil || b.Files[0].Size() != 8<<20 {
		t.Errorf("a file: %+v", refused)
	}
	check.OK(t, b.Files[0].Close())
	b.Release()
	check.Equal(t, budget.Held(), 0)
}
