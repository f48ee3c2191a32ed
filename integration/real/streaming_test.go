package real

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// streaming starts two services that stream, as a job of their own. The second one is
// slower, has another version and another name. Another job has the first one only, so
// that a query for all jobs returns something else.
func streaming(t *testing.T) (config string, flow func() (stop func())) {
	t.Helper()
	fast, slow := freePort(t), freePort(t)
	config = fmt.Sprintf("- {job_name: streams, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: fast}}, {targets: ['127.0.0.1:%d'], labels: {instance: slow}}]}\n", fast, slow)
	config += fmt.Sprintf("- {job_name: streams again, static_configs: [{targets: ['127.0.0.1:%d'], labels: {instance: fast}}]}\n", fast)
	return config, func() func() {
		startTwin(t, fast, "--app=kinds")
		startTwin(t, slow, "--app=kinds", "app.name=chat", "app.version=2")
		failing := clients{1, local(fast) + "/words", time.Second / 4, []string{`{"text":"a boom","pause":0.1}`}}
		_, stop := load(t, append(append(readers(local(fast), 10, 0.1), readers(local(slow), 15, 0.4)...), failing)...)
		return stop
	}
}

// readers returns n clients that read streams, which have from 6 chunks on: each more
// than the one before, so that they do not begin and end together.
func readers(base string, n int, pause float64) (all []clients) {
	for i := range n {
		body := fmt.Sprintf(`{"text":%q,"pause":%g}`, strings.Repeat("a ", 6+i), pause)
		all = append(all, clients{1, base + "/words", 0, []string{body}})
	}
	return all
}
