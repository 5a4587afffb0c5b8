package collector

import (
	_ "embed" // the document
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"example.com/safeconduct/evidence/replica"
)

// openAPI is the OpenAPI 3.1 document of what route serves.
//
//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document, in JSON, of what a [Collector] serves.
func OpenAPI() []byte { return append([]byte(nil), openAPI...) }

// route sets what is served, and by which func.
func (c *Collector) route() {
	c.mux = http.NewServeMux()
	for at, methods := range map[string]map[string]http.HandlerFunc{
		"/v1/records":              {http.MethodPost: c.withKey(c.postRecords)},
		"/v1/checkpoints/{ledger}": {http.MethodPost: c.withKey(c.postCheckpoint), http.MethodGet: c.withKey(c.getCheckpoint)},
		"/v1/runs":                 {http.MethodGet: c.withKey(c.getRuns)},
		"/v1/runs/{run}":           {http.MethodGet: c.withKey(c.getRun)},
		"/metrics":                 {http.MethodGet: c.withKey(c.getMetrics)},
		"/healthz":                 {http.MethodGet: c.getHealth},
		"/openapi.json":            {http.MethodGet: c.getOpenAPI},
	} {
		for method, handle := range methods {
			c.mux.HandleFunc(method+" "+at, handle)
		}
		allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		c.mux.HandleFunc(at, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			c.fail(w, r, nil, "", newProblem("method"))
		})
	}
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, nil, "", newProblem("not_found"))
	})
}

// ServeHTTP answers one request.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer c.logPanic()
	// Where the server of somebody else has no deadlines, theirs hold.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(c.limits.Timeout))
	_ = rc.SetWriteDeadline(time.Now().Add(2 * c.limits.Timeout)) // what is read takes some of it
	if r.ProtoMajor == 1 {
		// Whoever shows no key comes again another time, and so does a body in
		// chunks: it may have had a length as well, by which something in between
		// went (RFC 9112, section 6.1). See keyed.
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodConnect || !isClean(r.URL.EscapedPath()) {
		c.fail(w, r, nil, "", newProblem("not_found")) // the mux answers with pages, and leads elsewhere
		return
	}
	c.mux.ServeHTTP(w, r)
}

// isClean reports whether a path names what is served without a detour. It is false
// of the "*" in place of a path.
func isClean(p string) bool {
	clean := path.Clean("/" + p)
	return p == clean || p == clean+"/" && clean != "/"
}

// logPanic logs a panic, without its value, which may hold content, and has the
// server break off the connection. Defer it.
func (c *Collector) logPanic() {
	v := recover()
	if v == nil {
		return
	}
	c.metrics.problem("panic")
	c.log.bounded("panic", slog.LevelError, "a request panicked", "value", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
	panic(http.ErrAbortHandler)
}

// A keyHandler answers a request of a client, or returns the problem and the origin of
// the ledger that it is about.
type keyHandler func(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem)

// withKey lets only clients through, and a bounded number of requests of each at a
// time.
func (c *Collector) withKey(handle keyHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cl := c.authenticate(r)
		if cl == nil {
			c.fail(w, r, nil, "", newProblem("unauthorized"))
			return
		}
		c.connections.keyShown(r.Context())
		if len(r.TransferEncoding) == 0 {
			w.Header().Del("Connection")
		}
		if !cl.enter() {
			c.fail(w, r, cl, "", newProblem("busy"))
			return
		}
		defer cl.leave()
		if origin, p := handle(w, r, cl); p != nil {
			c.fail(w, r, cl, origin, p)
		}
	}
}

// toWrite returns a ledger that a client may write.
func (c *Collector) toWrite(cl *client, origin string) (*ledger, *replica.Replica, *problem) {
	if !cl.mayWrite(origin) {
		return nil, nil, newProblem("forbidden")
	}
	l := c.ledgers[origin]
	r, err := l.open()
	if err != nil {
		return nil, nil, newProblem("unavailable").because(err)
	}
	return l, r, nil
}

// toRead returns a ledger that a client may read, and that is there.
func (c *Collector) toRead(cl *client, origin string) (*ledger, *replica.Replica, *problem) {
	if !cl.mayRead(origin) {
		return nil, nil, newProblem("forbidden")
	}
	l := c.ledgers[origin]
	if l == nil {
		return nil, nil, newProblem("not_found")
	}
	r, err := l.existing()
	switch {
	case err != nil:
		return nil, nil, newProblem("unavailable").because(err)
	case r == nil:
		return nil, nil, newProblem("not_found")
	}
	return l, r, nil
}

func (c *Collector) getOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // an error means that the client is gone
}

// getHealth answers whether each ledger can be served.
func (c *Collector) getHealth(w http.ResponseWriter, _ *http.Request) {
	health := struct {
		Status      string `json:"status"`
		Unavailable int    `json:"unavailable"` // ledgers
	}{Status: "ok"}
	for _, l := range c.ledgers {
		if _, err := l.existing(); err != nil {
			health.Unavailable++
		}
	}
	status := http.StatusOK
	if health.Unavailable > 0 {
		health.Status, status = "degraded", http.StatusServiceUnavailable
	}
	reply(w, status, "application/json", health)
}
