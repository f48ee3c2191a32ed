package websocket_test

import (
	"context"
	"net/http"
	"strings"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", websocket.Handler(func(_ context.Context, conn *websocket.Conn) error {
		for {
			text, err := conn.ReadText()
			if err != nil || text == "bye" {
				return err // io.EOF: the client has closed the socket
			}
			if err := conn.WriteText(strings.ToUpper(text)); err != nil {
				return err
			}
		}
	}, websocket.Origins("https://app.example.org")))

	app := runtime.New("Echo")
	app.Mount("/app", mux)
}
