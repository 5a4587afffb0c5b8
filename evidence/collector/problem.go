package collector

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
	"github.com/go-json-experiment/json"
)

// A problem is an answer that is not a success: a problem detail of RFC 9457,
// which holds nothing of what was sent.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitzero"`

	// Of records: how many from the first on are stored, what is wrong with the
	// one after these, and where the ledger is.
	Taken   *int          `json:"taken,omitzero"`
	Damage  record.Damage `json:"damage,omitzero"`
	Records *uint64       `json:"records,omitzero"`
	Head    *record.Head  `json:"head,omitzero"`

	kind     string
	ordinary bool // happens all the time, and concerns nobody
	after    int  // seconds, in Retry-After
	cause    error
}

// typePrefix stands before the kinds of problems.
const typePrefix = "urn:safeconduct:problem:"

// The kinds of problems, each with its status and what it says.
var problems = map[string]problem{
	"unauthorized":     {Status: http.StatusUnauthorized, Title: "no key, or one that is not known"},
	"forbidden":        {Status: http.StatusForbidden, Title: "the key is not for that"},
	"not_found":        {Status: http.StatusNotFound, Title: "there is no such thing"},
	"method":           {Status: http.StatusMethodNotAllowed, Title: "not a method of this path"},
	"slow":             {Status: http.StatusRequestTimeout, Title: "the request took too long"},
	"missing":          {Status: http.StatusConflict, Title: "records before this are missing: go on after the head", after: 1},
	"equivocation":     {Status: http.StatusConflict, Title: "what was signed contradicts what is there: both are kept"},
	"too_large":        {Status: http.StatusRequestEntityTooLarge, Title: "the request is larger than is taken"},
	"unsupported":      {Status: http.StatusUnsupportedMediaType, Title: "a content type or encoding that is not taken"},
	"malformed":        {Status: http.StatusBadRequest, Title: "the request cannot be read"},
	"refused":          {Status: http.StatusUnprocessableEntity, Title: "it does not verify"},
	"busy":             {Status: http.StatusTooManyRequests, Title: "too many requests of this key at a time", after: 1},
	"checkpoints_wait": {Status: http.StatusTooManyRequests, Title: "too many checkpoints wait for their records", after: 5},
	"unavailable":      {Status: http.StatusServiceUnavailable, Title: "it cannot be stored, or read, at the moment", after: 5},
}

func newProblem(kind string) *problem {
	p := problems[kind]
	p.kind, p.Type = kind, typePrefix+kind
	return &p
}

// because adds what to log and never to answer.
func (p *problem) because(err error) *problem {
	p.cause = err
	return p
}

// saying adds what is wrong, in words of ours.
func (p *problem) saying(detail string) *problem {
	p.Detail = detail
	return p
}

// replicaProblem returns the problem for an error of a Replica.
func replicaProblem(err error) *problem {
	var missing *replica.MissingError
	var refused *replica.RefusedError
	var equivocation *replica.EquivocationError
	switch {
	case errors.As(err, &missing):
		p := newProblem("missing")
		p.Head, p.Records = missing.Head, &missing.Records
		if missing.Uncovered {
			return p.saying("no signature covers what follows the head: send it with the next record that is signed")
		}
		return p
	case errors.As(err, &refused):
		p := newProblem("refused")
		p.Damage = refused.Damage
		return p
	case errors.As(err, &equivocation):
		return newProblem("equivocation").because(err)
	case errors.Is(err, replica.ErrAhead):
		return newProblem("checkpoints_wait")
	}
	return newProblem("unavailable").because(err)
}

// fail answers with a problem, and logs it.
func (c *Collector) fail(w http.ResponseWriter, r *http.Request, cl *client, origin string, p *problem) {
	who := ""
	if cl != nil {
		who = cl.Name
	}
	c.metrics.problem(p.kind)
	level := slog.LevelWarn
	if p.ordinary {
		level = slog.LevelDebug
	}
	if p.kind == "unavailable" || p.kind == "equivocation" {
		level = slog.LevelError
	}
	attrs := []any{"problem", p.kind}
	if who != "" {
		attrs = append(attrs, "client", who)
	}
	if origin != "" {
		attrs = append(attrs, "ledger", origin)
	}
	attrs = append(attrs, "remote", r.RemoteAddr)
	if p.Damage != "" {
		attrs = append(attrs, "damage", string(p.Damage))
	}
	if p.cause != nil {
		attrs = append(attrs, "error", p.cause)
	}
	c.log.bounded(p.kind+"\x00"+who, level, "refused", attrs...)

	h := w.Header()
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(p.after))
	}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="safeconduct"`)
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		h.Set("Connection", "close") // what is still to come is not read
	}
	reply(w, p.Status, "application/problem+json", p)
}

// reply writes a JSON body.
func reply(w http.ResponseWriter, status int, kind string, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic("collector: " + err.Error()) // cannot be: the types are ours
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // an error means that the client is gone
}
