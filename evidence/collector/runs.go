package collector

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/safeconduct/evidence/record"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxRuns bounds the runs of one ledger that are remembered: the newest.
	maxRuns = 10_000

	// The bounds of a page.
	defaultPage = 100
	maxPage     = 1000   // runs
	maxRecords  = 256    // of a run
	maxScanned  = 20_000 // records, to find those of a run
)

// A run is what is known of a run of an agent.
type run struct {
	ID      string     `json:"id"`
	Ledger  string     `json:"ledger"`
	Writer  string     `json:"writer"`
	State   string     `json:"state"` // "running", "ended" or "interrupted"
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitzero"`
	First   uint64     `json:"first"` // index in the ledger, from 0
	Last    uint64     `json:"last"`
	Records uint64     `json:"records"`
	Calls   uint64     `json:"calls"`
	Denied  uint64     `json:"denied"`
}

// Runs remembers the newest runs of a ledger. The zero runs are ready to use.
type runs struct {
	mu     sync.Mutex
	writer string // that the ledger is at
	byID   map[string]*run
	order  []*run // by First
}

// add notes a record of the ledger.
func (rs *runs) add(index uint64, r *record.Record) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.writer = r.Writer
	if r.Run == "" {
		return
	}
	one := rs.byID[r.Run]
	if one == nil {
		if rs.byID == nil {
			rs.byID = make(map[string]*run)
		}
		if len(rs.order) == maxRuns {
			delete(rs.byID, rs.order[0].ID)
			rs.order = rs.order[1:]
		}
		one = &run{ID: r.Run, Ledger: r.Ledger, Writer: r.Writer, Started: r.Time, First: index}
		rs.byID[r.Run] = one
		rs.order = append(rs.order, one)
	}
	one.Last = index
	one.Records++
	switch r.Kind {
	case record.KindIntent:
		one.Calls++
	case record.KindOutcome:
		if r.Outcome.Result == record.ResultDenied {
			one.Denied++
		}
	case record.KindEnd:
		ended := r.Time // not a pointer into the record, which would live on
		one.Ended = &ended
	}
}

// forget begins anew.
func (rs *runs) forget() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.writer, rs.byID, rs.order = "", nil, nil
}

// withState returns the run with its State now.
func (rs *runs) withState(one *run) run {
	now := *one
	switch {
	case one.Ended != nil:
		now.State = "ended"
	case one.Writer == rs.writer:
		now.State = "running"
	default:
		now.State = "interrupted" // its writer is no more
	}
	return now
}

func (rs *runs) find(id string) (run, bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	one := rs.byID[id]
	if one == nil {
		return run{}, false
	}
	return rs.withState(one), true
}

// page returns at most limit runs, the newest first, of those that begin before an
// index, and whether there are more.
func (rs *runs) page(before uint64, limit int) (page []run, more bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	end, _ := slices.BinarySearchFunc(rs.order, before, func(one *run, before uint64) int {
		if one.First < before {
			return -1
		}
		return 1
	})
	page = []run{}
	for i := end - 1; i >= 0; i-- {
		if len(page) == limit {
			return page, true
		}
		page = append(page, rs.withState(rs.order[i]))
	}
	return page, false
}

// getRuns answers with runs of a ledger, the newest first.
func (c *Collector) getRuns(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	q := query{r: r}
	origin = q.ledger()
	before, limit := q.number("before", 1<<63), q.limit(defaultPage, maxPage)
	if q.problem != nil {
		return origin, q.problem
	}
	l, _, p := c.toRead(cl, origin)
	if p != nil {
		return origin, p
	}
	page, more := l.runs.page(before, limit)
	answer := struct {
		Runs   []run   `json:"runs"`
		Before *uint64 `json:"before,omitzero"` // of the next page, if there is one
	}{Runs: page}
	if more {
		answer.Before = &page[len(page)-1].First
	}
	reply(w, http.StatusOK, "application/json", answer)
	return origin, nil
}

// getRun answers with the records of a run, the first ones first.
func (c *Collector) getRun(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	q := query{r: r}
	origin = q.ledger()
	from, limit := q.number("from", 0), q.limit(defaultPage, maxRecords)
	if q.problem != nil {
		return origin, q.problem
	}
	l, kept, p := c.toRead(cl, origin)
	if p != nil {
		return origin, p
	}
	one, ok := l.runs.find(r.PathValue("run"))
	if !ok {
		return origin, newProblem("not_found")
	}
	answer := struct {
		Run     run              `json:"run"`
		Records []jsontext.Value `json:"records"`       // signed envelopes, as they are
		From    *uint64          `json:"from,omitzero"` // of the next page, if there is one
	}{Run: one, Records: []jsontext.Value{}}
	index := max(from, one.First)
	end := index + maxScanned
	for e, err := range kept.Read(index) {
		if err != nil {
			return origin, newProblem("unavailable").because(err)
		}
		if index > one.Last {
			break
		}
		if len(answer.Records) == limit || index == end {
			next := index
			answer.From = &next
			break
		}
		if e.Record.Run == one.ID {
			answer.Records = append(answer.Records, jsontext.Value(e.Envelope))
		}
		index++
	}
	reply(w, http.StatusOK, "application/json", answer)
	return origin, nil
}

// A query reads the parameters of a request, and keeps what is wrong with one.
type query struct {
	r       *http.Request
	problem *problem
}

func (q *query) wrong(name string) {
	if q.problem == nil {
		q.problem = newProblem("malformed").saying("the parameter " + name + " is missing or out of range")
	}
}

func (q *query) ledger() string {
	origin := q.r.URL.Query().Get("ledger")
	if origin == "" {
		q.wrong("ledger")
	}
	return origin
}

// number returns a parameter that need not be there.
func (q *query) number(name string, otherwise uint64) uint64 {
	s := q.r.URL.Query().Get(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		q.wrong(name)
	}
	return n
}

func (q *query) limit(otherwise, most int) int {
	n := q.number("limit", uint64(otherwise))
	if n == 0 || n > uint64(most) {
		q.wrong("limit")
	}
	return int(n)
}
