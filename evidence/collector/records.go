package collector

import (
	"errors"
	"io"
	"log/slog"
	"net/http"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

// A receipt says what is stored.
type receipt struct {
	Ledger  string       `json:"ledger"`
	Taken   int          `json:"taken"`   // records of the request, including those that were there before
	Records uint64       `json:"records"` // of the ledger
	Head    *record.Head `json:"head"`
}

// postRecords takes envelopes, one a line, all of one ledger.
func (c *Collector) postRecords(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	body, p := c.body(w, r)
	if p != nil {
		return "", p
	}
	var l *ledger
	var kept *replica.Replica
	taken := 0
	var rest [][]byte // that no signature covers yet
	err := readLines(body, c.limits.Records, func(batch [][]byte) error {
		if l == nil {
			// The first record says which ledger it wants to be of. Whether it
			// is, and all others are, its signature and the chain say.
			first, err := record.Parse(batch[0])
			if err != nil {
				return &replica.RefusedError{Damage: record.DamageMalformed}
			}
			origin = first.Ledger
			if l, kept, p = c.toWrite(cl, origin); p != nil {
				return errAnswered
			}
		}
		rest = append(rest, batch...)
		n, err := kept.Append(rest)
		taken += n
		c.metrics.taken.Add(uint64(n))
		rest = rest[n:]
		if uncovered(err) && len(rest) < batchRecords {
			return nil // what covers them may come next
		}
		return err
	})
	if err == nil && len(rest) > 0 {
		_, err = kept.Append(rest) // it says what is wrong
	}
	switch {
	case err != nil && p == nil:
		p = c.recordsProblem(cl, l, err)
		p.Taken = &taken
	case l == nil && p == nil:
		p = newProblem("malformed").saying("there is no record")
	}
	if p != nil {
		if p.Status != http.StatusRequestEntityTooLarge && p.Status != http.StatusRequestTimeout {
			_, _ = io.Copy(io.Discard, body) // so that the client reads the answer; bounded as ever
		}
		return origin, p
	}
	head, records := kept.Head()
	reply(w, http.StatusOK, "application/json", receipt{Ledger: origin, Taken: taken, Records: records, Head: head})
	return origin, nil
}

// uncovered reports whether an error says that no signature covers records.
func uncovered(err error) bool {
	var missing *replica.MissingError
	return errors.As(err, &missing) && missing.Uncovered
}

// errAnswered means that there is a problem, which says more.
var errAnswered = errors.New("collector: answered")

// recordsProblem returns the problem of records that were not taken: the body cannot be
// read, or the ledger l does not take them.
func (c *Collector) recordsProblem(cl *client, l *ledger, err error) *problem {
	var body *bodyError
	if errors.As(err, &body) {
		return body.problem()
	}
	return c.refusal(cl, l, err)
}

// refusal returns the problem of what a Replica did not take. Where that contradicts
// the ledger both sides are kept first, so that whoever is told can be sure of it.
func (c *Collector) refusal(cl *client, l *ledger, err error) *problem {
	var e *replica.EquivocationError
	if !errors.As(err, &e) {
		return replicaProblem(err)
	}
	fresh, failed := l.equivocations.add(cl.Name, l.origin, e)
	if failed != nil {
		return newProblem("unavailable").because(failed)
	}
	if fresh {
		c.metrics.equivocations.Add(1)
		c.log.always(slog.LevelError, "EQUIVOCATION: two things are signed that contradict each other",
			"client", cl.Name, "ledger", l.origin, "writer", e.Writer, "seq", e.Seq, "kept", l.equivocations.path(cl.Name))
	}
	return replicaProblem(err)
}
