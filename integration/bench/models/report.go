package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report writes the tables in markdown.
func (b *bench) report(to io.Writer) error {
	var t strings.Builder
	b.reportSetting(&t)
	for _, texts := range b.Texts {
		b.reportCells(&t, texts)
	}
	b.reportProcesses(&t)
	b.reportCeiling(&t)
	_, err := io.WriteString(to, t.String())
	return err
}

func (b *bench) reportSetting(t *strings.Builder) {
	v := b.workshop.versions
	fmt.Fprintf(t, "# Servers of all-MiniLM-L6-v2\n\n%s, %d processors, %s, %s/%s. ONNX Runtime %s with %s for every server. The load shares the processors.\n",
		processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, v["onnxruntime"], several(b.Threads, "thread"))
	a := b.ceiling.about
	fmt.Fprintf(t, "Texts of seed %d have %.1f tokens on average; 10 %% have at most %v, 50 %% %v, 90 %% %v, 99 %% %v, all %v.\n",
		b.Seed, a["mean"], a["p10"], a["p50"], a["p90"], a["p99"], a["max"])
	runs := "one run of the model, padded to its longest text"
	if b.Group {
		runs = "runs of texts of like length, as in the example"
	}
	fmt.Fprintf(t, "Batches have 32 texts at most, those of LitServe 32 requests. A batch of 32 in Python is %s. LitServe has batch_timeout=%g, fast_queue=%t.\n",
		runs, b.LitserveWait.Seconds(), b.LitserveFast)
	fmt.Fprintf(t, "Medians of %s of %g s (lowest–highest).\n", several(b.Rounds, "round"), b.Seconds)
}

func (b *bench) reportCells(t *strings.Builder, texts int) {
	title := "One text a request"
	if texts > 1 {
		title = fmt.Sprintf("%d texts a request", texts)
	}
	fmt.Fprintf(t, "\n## %s\n\n| clients | server | texts/s | p50 | p99 | failed |\n|---|---|---|---|---|---|\n", title)
	for _, clients := range b.Clients {
		for _, s := range b.sides {
			all := s.cells[cell{clients, texts}]
			failed := 0
			for _, r := range all {
				failed += r.failed
			}
			fmt.Fprintf(t, "| %d | %s | %s | %s | %s | %d |\n", clients, s.name,
				spread(all, "%.0f", "", func(r result) float64 { return r.perSecond }),
				spread(all, "%.1f", " ms", func(r result) float64 { return milliseconds(r.p50) }),
				spread(all, "%.1f", " ms", func(r result) float64 { return milliseconds(r.p99) }), failed)
		}
	}
}

func (b *bench) reportProcesses(t *strings.Builder) {
	const mb = 1e6
	t.WriteString("\n## Start and memory\n\n| server | first response after | processes | resident | with shared pages counted once |\n|---|---|---|---|---|\n")
	for _, s := range b.sides {
		fmt.Fprintf(t, "| %s | %s | %d | %s | %s |\n", s.name,
			spread(s.starts, "%.2f", " s", time.Duration.Seconds), s.memory[0].processes,
			spread(s.memory, "%.0f", " MB", func(m memory) float64 { return float64(m.resident) / mb }),
			spread(s.memory, "%.0f", " MB", func(m memory) float64 { return float64(m.shared) / mb }))
	}
}

func (b *bench) reportCeiling(t *strings.Builder) {
	own := b.python[0]
	if b.Group {
		own = b.python[1]
	}
	t.WriteString("\n## The ceiling\n\n| | texts/s | of the ceiling | of model.py in a loop |\n|---|---|---|---|\n")
	same := func(v float64) float64 { return v }
	most := median(b.ceiling.results)
	fmt.Fprintf(t, "| the example's model in a loop, batches of 32, grouped by length | %s | 1 | |\n", spread(b.ceiling.results, "%.0f", "", same))
	for _, l := range b.python {
		fmt.Fprintf(t, "| %s | %s | %.3f | |\n", l.name, spread(l.results, "%.0f", "", same), median(l.results)/most)
	}
	for i, s := range b.sides {
		for _, c := range b.cellList() {
			if !b.most(c) {
				continue
			}
			rates := rates(s.cells[c])
			if i == 0 { // measured in turn
				fmt.Fprintf(t, "| %s, %s | %s | %s | |\n", s.name, c, spread(rates, "%.0f", "", same), spread(b.ratios[c], "%.3f", "", same))
				continue
			}
			fmt.Fprintf(t, "| %s, %s | %s | %.3f | %.3f |\n", s.name, c, spread(rates, "%.0f", "", same), median(rates)/most, median(rates)/median(own.results))
		}
	}
}

// rates returns the texts/s of results.
func rates(all []result) (values []float64) {
	for _, r := range all {
		values = append(values, r.perSecond)
	}
	return values
}

// spread returns the median of values, and the lowest and the highest if there are several.
func spread[T any](all []T, format, unit string, of func(T) float64) string {
	var values []float64
	for _, one := range all {
		values = append(values, of(one))
	}
	if len(values) == 0 {
		return "none"
	}
	if len(values) == 1 {
		return fmt.Sprintf(format, values[0]) + unit
	}
	return fmt.Sprintf(format+"%s ("+format+"–"+format+")", median(values), unit, slices.Min(values), slices.Max(values))
}

// median returns the middle value, or the mean of the two in the middle. There must be one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// processor returns the name of the processor, if Linux says it.
func processor() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(content)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}
