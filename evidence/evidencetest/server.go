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

// A Server is an HTTP server on loopback that has faults. It is safe for concurrent
// use. Its faults take real time, and so it is of no use within synctest.
type Server struct {
	URL string // http://127.0.0.1:PORT, without a slash

	next http.Handler

	mu       sync.Mutex
	requests int
	plan     []Fault
	repeat   bool
}

// A Fault handles a request of a [Server] in place of next, the handler behind it. A
// nil Fault leaves the request to next.
type Fault func(next http.Handler) http.Handler

// NewServer starts a server that hands its requests to next until it is given faults.
// It is closed when the test ends, and cuts off requests that are under way then.
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

// Next gives each of the next requests one of the faults. Later requests reach the
// handler behind the server.
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
	if f := s.nextFault(); f != nil {
		h = f(h)
	}
	h.ServeHTTP(w, r)
}

func (s *Server) nextFault() Fault {
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

// fault returns the Fault that answers a request by f.
func fault(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, next) })
	}
}

// Status answers with a status code, and with a body that nobody should quote.
func Status(code int) Fault { return RetryAfter(code, "") }

// RetryAfter answers with a status code and a Retry-After header: "7", a date,
// "-1", "1e9" or whatever else. If value is empty there is none.
func RetryAfter(code int, value string) Fault {
	return fault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if value != "" {
			w.Header().Set("Retry-After", value)
		}
		http.Error(w, "a body that may quote what was sent", code)
	})
}

// Hang takes the request and never answers.
func Hang() Fault {
	return fault(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen behind it
		<-r.Context().Done()
	})
}

// Reset ends the connection with a TCP reset.
func Reset() Fault {
	return fault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
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

// SlowBody has the request carried out and sends the answer's body byte by byte, with
// a pause before each. The status comes at once.
func SlowBody(pause time.Duration) Fault {
	return fault(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
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

// record has next carry out a request and keeps the answer.
func record(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	return answer
}

// Partial has the first n lines of the request carried out, and then answers with 503
// as if nothing had been. It unpacks a gzip body.
func Partial(n int) Fault {
	return fault(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
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

// WrongContent answers with 200 and a page, as a proxy may, and the request reaches
// nobody.
func WrongContent() Fault {
	return fault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Please log in.</body></html>")
	})
}
