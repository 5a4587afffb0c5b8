package collector

import (
	"io"
	"net/http"
)

// maxCheckpoint is more than a checkpoint can have, in bytes.
const maxCheckpoint = 129 << 10

// postCheckpoint takes a signed checkpoint of a ledger.
func (c *Collector) postCheckpoint(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	origin = r.PathValue("ledger")
	l, kept, p := c.toWrite(cl, origin)
	if p != nil {
		return origin, p
	}
	signed, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCheckpoint))
	if err != nil {
		return origin, (&bodyError{err}).problem()
	}
	if err := kept.PutCheckpoint(signed); err != nil {
		p := c.refusal(cl, l, err)
		p.ordinary = p.kind == "missing" // checkpoints are sent apart from records, and often come first
		return origin, p
	}
	w.WriteHeader(http.StatusNoContent)
	return origin, nil
}

// getCheckpoint answers with the newest checkpoint of a ledger.
func (c *Collector) getCheckpoint(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	origin = r.PathValue("ledger")
	_, kept, p := c.toRead(cl, origin)
	if p != nil {
		return origin, p
	}
	signed := kept.Checkpoint()
	if signed == nil {
		return origin, newProblem("not_found")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(signed) // an error means that the client is gone
	return origin, nil
}
