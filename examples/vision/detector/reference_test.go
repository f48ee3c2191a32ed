package detector

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"

	"github.com/ekiben-serving/ekiben/examples/vision/internal/pictures"
)

// scene returns a square picture of some lines in many sizes and colours, turned by an angle.
func scene(random *rand.Rand, degrees float64) image.Image {
	colour := func(from int) color.Color {
		level := func() uint8 { return uint8(from + random.IntN(80)) }
		return color.RGBA{level(), level(), level(), 255}
	}
	ink, paper := colour(0), colour(170)
	if random.IntN(2) == 0 {
		ink, paper = paper, ink
	}
	words := strings.Fields("Total EUR 42.00 quick brown fox jumps OVER lazy dog invoice 2026-11-30 Room 17 exit Platform 9 STOP")
	size := 300 + random.IntN(side-299)
	var lines []pictures.Line
	for y := 5 + random.IntN(30); y < size-60; {
		line := pictures.Line{Y: y, Scale: 1 + random.IntN(4)}
		for range 1 + random.IntN(4) {
			line.Text += words[random.IntN(len(words))] + " "
		}
		most := (size - 20) / (7 * line.Scale)
		line.Text = line.Text[:min(most, len(line.Text))]
		line.X = 5 + random.IntN(1+(size-20)-7*line.Scale*len(line.Text))
		lines = append(lines, line)
		y += 21*line.Scale + random.IntN(100)
	}
	level, _ := pictures.In(image.Pt(size, size), ink, paper, lines...)
	img, _ := pictures.In(level.Rect.Max, paper, paper)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	middle := float64(size) / 2
	draw.BiLinear.Transform(img, f64.Aff3{cos, -sin, middle * (1 - cos + sin), sin, cos, middle * (1 - cos - sin)}, level, level.Rect, draw.Over, nil)
	return img
}

// compute returns the rectangles that the Python package finds: left, top, right, bottom. Python
// runs once for the same pictures.
func compute(t *testing.T, images []image.Image) (rectangles [][][4]int) {
	t.Helper()
	const script = "../reference/reference.py"
	content, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	sum, args, folder := sha256.New(), []string{script, Folder()}, t.TempDir()
	_, _ = sum.Write(content)
	for i, img := range images {
		var encoded bytes.Buffer
		if err := png.Encode(&encoded, img); err != nil {
			t.Fatal(err)
		}
		_, _ = sum.Write(encoded.Bytes())
		args = append(args, filepath.Join(folder, fmt.Sprintf("%d.png", i)))
		if err := os.WriteFile(args[i+2], encoded.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(Folder(), fmt.Sprintf("reference-%x.json", sum.Sum(nil)))
	result, err := os.ReadFile(kept)
	if err != nil {
		result = python(t, args...)
		if err := os.WriteFile(kept, result, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(result, &rectangles); err != nil {
		t.Fatal(err)
	}
	return rectangles
}

// python runs Python with the packages that reference.py needs, which are installed once. The test is
// skipped if Python cannot install them.
func python(t *testing.T, args ...string) []byte {
	t.Helper()
	if err := exec.Command("python3", "-m", "pip", "--version").Run(); err != nil {
		t.Skipf("the reference needs python3 with pip: %v", err)
	}
	folder := filepath.Join(Folder(), "reference")
	if _, err := os.Stat(filepath.Join(folder, "whole")); err != nil {
		_ = os.RemoveAll(folder)
		run(t, "python3", "-m", "pip", "install", "--quiet", "--target", folder, "numpy==2.4.6", "opencv-python-headless==5.0.0.93",
			"onnxruntime==1.32.0", "pyclipper==1.4.0", "shapely==2.2.0", "PyYAML==6.0.4", "Pillow==13.0.0")
		if err := os.WriteFile(filepath.Join(folder, "whole"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", folder)
	return run(t, "python3", args...)
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return output
}

// Boxes are those of the Python package, for lines in many sizes, colours and angles: each edge differs by at
// most 4 pixels. At most one box in 50 is found by only one of both.
func TestReference(t *testing.T) {
	d := opened(t)
	random := rand.New(rand.NewPCG(1, 1))
	var images []image.Image
	for i := range 32 {
		images = append(images, scene(random, []float64{0, 0, 3, -20}[i%4]))
	}
	want := compute(t, images)
	got, err := d.Detect(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	all, alone, differences := 0, 0, map[int]int{}
	for i := range images {
		all += len(want[i])
		alone += max(0, len(got[i])-len(want[i]))
		for _, box := range want[i] {
			least := math.MaxInt
			for _, one := range got[i] {
				r := rectangleOf(one)
				difference := 0
				for edge, at := range []int{r.Min.X, r.Min.Y, r.Max.X, r.Max.Y} {
					difference = max(difference, at-box[edge], box[edge]-at)
				}
				least = min(least, difference)
			}
			if least > 4 {
				alone++
				t.Logf("picture %d: %v differs by %d pixels from what is found", i, box, least)
				continue
			}
			differences[least]++
		}
	}
	if all < 100 || alone*100 > all {
		t.Errorf("%d of %d boxes are found by only one of both", alone, all)
	}
	t.Logf("%d boxes, %d found by only one of both; how many boxes differ by how many pixels: %v", all, alone, differences)
}
