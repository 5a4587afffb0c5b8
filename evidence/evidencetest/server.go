package evidencetest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Server is an HTTP server on loopback that has faults. It is safe for
// concurrent use. Time in its faults is real: it is of no use within synctest.
type Server struct {
	URL string // http://127.0.0.1:PORT, without a slash

	next http.Handler

	mu       sync.Mutex
	requests int
	plan     []Fault
	repeat   bool
}

// A Fault is what a [Server] does to a request in place of what stands behind it,
// next. A nil Fault does nothing to it.
type Fault func(next http.Handler) http.Handler

// NewServer starts a server that hands its requests to next until it is given
// faults. It is closed when the test ends. Requests that are then under way are
// cut off.
func NewServer(t testing.TB, next http.Handler) *Server {
	t.Helper()
	if next == nil {
		panic("evidencetest: NewServer: nil handler")
	}
	s := &Server{next: next}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// Next gives each of the next requests one of the faults. Those after them reach
// what stands behind the server.
func (s *Server) Next(faults ...Fault) { s.set(faults, false) }

// Repeat gives the requests the faults in turn, over and over: with one fault the
// server is down for good, and with some of them nil it flaps.
func (s *Server) Repeat(faults ...Fault) { s.set(faults, true) }

func (s *Server) set(faults []Fault, repeat bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.repeat = append([]Fault(nil), faults...), repeat
}

// Requests returns how many requests came.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP carries out a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := s.next
	if f := s.fault(); f != nil {
		h = f(h)
	}
	h.ServeHTTP(w, r)
}

func (s *Server) fault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if len(s.plan) == 0 {
		return nil
	}
	f := s.plan[0]
	s.plan = s.plan[1:]
	if s.repeat {
		s.plan = append(s.plan, f)
	}
	return f
}

// Status answers with a status code, and with a body that nobody should quote.
func Status(code int) Fault { return RetryAfter(code, "") }

// RetryAfter answers with a status code and a Retry-After header: "7", a date,
// "-1", "1e9" or whatever else. If value is empty there is none.
func RetryAfter(code int, value string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if value != "" {
				w.Header().Set("Retry-After", value)
			}
			http.Error(w, "a body that may quote what was sent", code)
		})
	}
}

// Hang takes the request and never answers.
func Hang() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen behind it
			<-r.Context().Done()
		})
	}
}

// Reset ends the connection with a TCP reset.
func Reset() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // which makes it a reset
			}
			_ = conn.Close()
		})
	}
}

// SlowBody has the request carried out and sends the answer's body a byte at a
// time, with a pause before each. The status comes at once.
func SlowBody(pause time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := record(next, r)
			w.Header().Set("Content-Length", strconv.Itoa(max(answer.Body.Len(), 1)))
			w.WriteHeader(answer.Code)
			body := append(answer.Body.Bytes(), ' ')[:max(answer.Body.Len(), 1)]
			for i := range body {
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(pause):
				case <-r.Context().Done():
					return
				}
				_, _ = w.Write(body[i : i+1])
			}
		})
	}
}

// record has next carry out a request and keeps the answer.
func record(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	return answer
}

// Partial has the first n lines of the request carried out, and then answers with
// 503 as if nothing had been. It unpacks a body that is gzip.
func Partial(n int) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body io.Reader = r.Body
			part := r.Clone(r.Context())
			if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
				unpacked, err := gzip.NewReader(r.Body)
				if err != nil {
					http.Error(w, "not gzip", http.StatusBadRequest)
					return
				}
				body = unpacked
				part.Header.Del("Content-Encoding")
			}
			var lines bytes.Buffer
			for in := bufio.NewReader(body); n > 0; n-- {
				line, err := in.ReadBytes('\n')
				lines.Write(line)
				if err != nil {
					break
				}
			}
			_, _ = io.Copy(io.Discard, body)
			if lines.Len() > 0 {
				part.ContentLength = int64(lines.Len())
				part.Header.Set("Content-Length", strconv.Itoa(lines.Len()))
				part.Body = io.NopCloser(&lines)
				record(next, part)
			}
			http.Error(w, "away", http.StatusServiceUnavailable)
		})
	}
}

// WrongContent answers with 200 and a page, as what stands between may, and the
// request reaches nobody.
func WrongContent() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><body>Please log in.</body></html>")
		})
	}
}
