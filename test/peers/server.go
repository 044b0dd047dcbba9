// Go's net/http as an oracle: each frame of standard input is what one connection sends; a line of JSON says what was read of it.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"
)

type request struct {
	Method string `json:"method"`
	Target []byte `json:"target"`
	Body   []byte `json:"body"`
}

type conn struct {
	in       *bytes.Reader
	out      bytes.Buffer
	closed   chan struct{}
	requests []request
	refused  bool
}

func (c *conn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *conn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *conn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *conn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
func (c *conn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

type listener chan net.Conn

func (l listener) Accept() (net.Conn, error) { return <-l, nil }
func (l listener) Close() error              { return nil }
func (l listener) Addr() net.Addr            { return &net.TCPAddr{} }

var refusal = regexp.MustCompile(`HTTP/1\.[01] [45]\d\d `)

func main() {
	var current *conn
	connections := make(listener)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			current.refused = true
		}
		current.requests = append(current.requests, request{r.Method, []byte(r.RequestURI), body})
		w.Header().Set("Content-Length", "0")
	})
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(connections)

	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	lines := json.NewEncoder(out)
	for {
		var size uint32
		if binary.Read(in, binary.BigEndian, &size) != nil {
			return
		}
		message := make([]byte, size)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		current = &conn{in: bytes.NewReader(message), closed: make(chan struct{}), requests: []request{}}
		connections <- current
		<-current.closed
		lines.Encode(map[string]any{
			"requests": current.requests,
			"isRefused": current.refused || refusal.Match(current.out.Bytes()),
		})
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}
