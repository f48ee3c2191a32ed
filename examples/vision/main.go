// Command vision serves a text detector, a real model: it finds lines of text in images.
//
//	go run ./fetch    # once: gets the model
//	go run .
//
// POST /detect takes images and returns boxes, and POST /draw draws the boxes of an image on it.
package main

import (
	"context"
	"image"
	"os"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/examples/vision/detector"
	"github.com/ekiben-serving/ekiben/runtime"
)

func main() { os.Exit(ekiben.Main("TextDetector", declare)) } //nolint:forbidigo // main

func declare(app *runtime.App) error {
	s := &service{}
	app.OnStart(s.open)
	app.OnStop(func(context.Context) error { return s.model.Close() })
	app.Warm(s.warm)
	s.boxes = runtime.HandleBatch(app, "detect", s.detect, runtime.ItemsField("images"),
		runtime.Batching(batcher.Config{MaxBatchSize: detector.MaxImages}))
	runtime.Handle(app, "draw", s.draw)
	return nil
}

// service has the model, and the API that draw calls.
type service struct {
	model *detector.Detector
	boxes *runtime.API[[]image.Image, [][]detector.Box]
}

func (s *service) open(context.Context) (err error) {
	s.model, err = detector.Open(detector.Folder(), detector.Options{})
	return err
}

// warm runs the model once: its first run takes longer.
func (s *service) warm(ctx context.Context) error {
	_, err := s.model.Detect(ctx, []image.Image{image.NewGray(image.Rect(0, 0, 1, 1))})
	return err
}

// detect gets the images of many requests.
func (s *service) detect(ctx context.Context, images []image.Image) ([][]detector.Box, error) {
	return s.model.Detect(ctx, images)
}

type picture struct {
	Image image.Image `json:"image" doc:"A PNG, JPEG, GIF or WebP image."`
}

// draw finds the text of one image in the batches of detect, and draws a frame around each line.
func (s *service) draw(ctx context.Context, in picture) (image.Image, error) {
	boxes, err := s.boxes.Call(ctx, []image.Image{in.Image})
	if err != nil {
		return nil, err
	}
	return frames(in.Image, boxes[0]), nil
}
