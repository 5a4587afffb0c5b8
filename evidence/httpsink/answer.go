package httpsink

import (
	"errors"
	"fmt"
	"net/http"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/internal/delivery"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// An answer is what a receiver said.
type answer struct {
	status *delivery.StatusError // also of a success
	kind   string                // media type
	says   struct {
		Type    string  `json:"type"`
		Taken   *int    `json:"taken"`
		Records *uint64 `json:"records"`
	}
}

// problem is how the types of a collector's problems begin.
const problem = "urn:safeconduct:problem:"

// judge returns why an answer to n records is not that all were taken, nil if it is.
func (a *answer) judge(n int) *failure {
	e := &failure{SinkError: evidence.SinkError{After: a.status.After}}
	if taken := a.says.Taken; taken != nil {
		e.Accepted = min(max(*taken, 0), n)
	}
	switch success := a.status.Status/100 == 2; {
	case success && a.kind == "text/html":
		e.Err = errors.New("httpsink: the answer is a page, and not of a receiver of records")
	case success && (a.says.Taken == nil || e.Accepted == n):
		return nil
	case success:
		e.Err = errors.New("httpsink: not all was taken")
	default:
		e.Err = fmt.Errorf("httpsink: %w", a.status)
		e.Final = a.permanent()
		e.tooLarge = a.status.Status == http.StatusRequestEntityTooLarge
		if kind := a.says.Type; e.tooLarge || kind == problem+"refused" || kind == problem+"equivocation" {
			e.Rejected = 1
		} else if kind == problem+"missing" && !e.Final {
			e.Held = a.says.Records
		}
	}
	return e
}

// permanent reports whether to send the same again is no use.
func (a *answer) permanent() bool {
	if a.status.Status == http.StatusConflict && a.status.After > 0 {
		return false
	}
	return a.status.Permanent()
}
