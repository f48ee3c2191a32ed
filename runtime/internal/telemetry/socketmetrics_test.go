package telemetry

import "testing"

// Two routes with one label have one series: a callback may observe a series only once.
func TestEndpointOnce(t *testing.T) {
	r := measure(t)
	r.check(r.Prepare(Kinds{}))
	s, err := r.AddService(ServiceSettings{Name: "Front", Prefix: "/ml", Concurrency: func() (int64, int64) { return 0, 0 }})
	r.check(err)
	first, err1 := s.Endpoint("/a")
	again, err2 := s.Endpoint("/a")
	other, err3 := s.Endpoint("/b")
	r.check(err1, err2, err3)
	if first != again || first == other {
		t.Errorf("got %p, %p and %p", first, again, other)
	}
}

// A client chooses its close code, and makes no series without end.
func TestCloseCodes(t *testing.T) {
	for code, want := range map[int]string{1000: "1000", 1014: "1014", 3000: "3xxx", 3999: "3xxx", 4000: "4xxx", 4999: "4xxx"} {
		if got := codeLabel(code); got != want {
			t.Errorf("%d: got %s, want %s", code, got, want)
		}
	}
}
