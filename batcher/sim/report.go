package main

import (
	"fmt"
	"math"
	"strings"
)

// The mean latency of adaptive in each cell should be at most overBest times that of
// the best rule in hindsight, and at most overIdle times that of idle. With bursts it
// should be at most bursty times that of idle, if the best rule meets that.
const (
	overBest = 1.05
	overIdle = 1.02
	bursty   = 0.85
)

// report returns the tables in Markdown.
func report(cells []*cell, over []overload) string {
	var b, missed strings.Builder
	b.WriteString("Mean latency in milliseconds.\n\n| model | traffic | load | adaptive | idle | window 2 ms | window 10 ms | CORK | best in hindsight | pair | of best | of idle |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	misses := 0
	for _, c := range cells {
		ofBest, ofIdle := c.adaptive.mean/c.best.mean, c.adaptive.mean/c.idle.mean
		fmt.Fprintf(&b, "| %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %s | %.3f | %.3f |\n", c.model.name, c.traffic.name, c.load,
			c.adaptive.mean, c.idle.mean, c.window2.mean, c.window10.mean, c.cork.mean, c.best.mean, c.pair, ofBest, ofIdle)
		var why []string
		if ofBest > overBest {
			why = append(why, fmt.Sprintf("%.3f of best", ofBest))
		}
		if ofIdle > overIdle {
			why = append(why, fmt.Sprintf("%.3f of idle", ofIdle))
		}
		if c.traffic.name == "bursts" && c.best.mean/c.idle.mean <= bursty && ofIdle > bursty {
			why = append(why, fmt.Sprintf("%.3f of idle with bursts, where the best in hindsight has %.3f", ofIdle, c.best.mean/c.idle.mean))
		}
		if len(why) > 0 {
			misses++
			fmt.Fprintf(&missed, "- %s, %s, load %.2f: %s\n", c.model.name, c.traffic.name, c.load, strings.Join(why, "; "))
		}
	}
	list := "."
	if misses > 0 {
		list = ":\n\n" + strings.TrimSuffix(missed.String(), "\n")
	}
	fmt.Fprintf(&b, "\n%d of %d cells are above 1.05 × the best in hindsight, 1.02 × idle, or with bursts above 0.85 × idle where the best in hindsight is not%s\n\n", misses, len(cells), list)
	b.WriteString("Three times the capacity, with a deadline of four full batches. For each policy: requests served in time as a share of what full batches could serve, and how many of the requests served were late.\n\n| model | adaptive | late | CORK | late |\n|---|---|---|---|---|\n")
	for _, o := range over {
		fmt.Fprintf(&b, "| %s | %.3f | %d of %d | %.3f | %d of %d |\n", o.model.name, o.adaptive.goodput, o.adaptive.late, o.adaptive.served, o.cork.goodput, o.cork.late, o.cork.served)
	}
	return b.String()
}

// chart draws the mean latency over the load, as a multiple of the best in
// hindsight, for each model with Poisson arrivals and with bursts.
func chart(cells []*cell) string {
	const width, height, left, top, across = 260, 150, 40, 30, 2
	lines := []struct {
		name, colour string
		of           func(*cell) outcome
	}{
		{"adaptive", "#0b7285", func(c *cell) outcome { return c.adaptive }},
		{"idle", "#e8590c", func(c *cell) outcome { return c.idle }},
		{"10 ms window", "#868e96", func(c *cell) outcome { return c.window10 }},
		{"CORK", "#9c36b5", func(c *cell) outcome { return c.cork }},
	}
	var b strings.Builder
	rows := 0
	for i, m := range models {
		for j, name := range []string{"poisson", "bursts"} {
			x0, y0 := left+j*(width+60), top+i*(height+50)
			rows = y0 + height
			fmt.Fprintf(&b, "<text x='%d' y='%d'>%s, %s</text>\n<rect x='%d' y='%d' width='%d' height='%d' fill='none' stroke='#adb5bd'/>\n", x0, y0-8, m.name, name, x0, y0, width, height)
			for _, tick := range []float64{1, 1.5, 2} {
				fmt.Fprintf(&b, "<text x='%d' y='%.0f' text-anchor='end'>%g×</text>\n", x0-4, scale(tick, float64(y0), height)+4, tick)
			}
			for _, l := range lines {
				var points []string
				for _, c := range cells {
					if c.model.name == m.name && c.traffic.name == name {
						x := float64(x0) + width*c.load
						points = append(points, fmt.Sprintf("%.1f,%.1f", x, scale(l.of(c).mean/c.best.mean, float64(y0), height)))
					}
				}
				fmt.Fprintf(&b, "<polyline points='%s' fill='none' stroke='%s' stroke-width='2'/>\n", strings.Join(points, " "), l.colour)
			}
		}
	}
	for i, l := range lines {
		fmt.Fprintf(&b, "<text x='%d' y='%d' fill='%s'>%s</text>\n", left+i*110, rows+35, l.colour, l.name)
	}
	return fmt.Sprintf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='11'>\n<rect width='100%%' height='100%%' fill='white'/>\n"+
		"<title>Mean latency as a multiple of the best in hindsight, over load</title>\n%s</svg>\n", left+across*(width+60), rows+50, b.String())
}

// scale returns the height of a multiple in a frame from 0.9 to 2.1. Values outside
// are drawn at its edge.
func scale(multiple, y0, height float64) float64 {
	const low, high = 0.9, 2.1
	return y0 + height*(1-(math.Min(math.Max(multiple, low), high)-low)/(high-low))
}
