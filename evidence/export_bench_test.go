package evidence

import (
	"os"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
	"example.com/safeconduct/middleware"
)

// An Emitter puts intents of one run into a queue, as a call does that waits for
// nothing.
type Emitter struct {
	q   *queue
	run *middleware.Run
	e   event
}

// NewEmitter returns an Emitter into the queue of r, or where r is nil into one
// of its own that holds limit events.
func NewEmitter(r *Recorder, limit int) *Emitter {
	q := newQueue(limit, queueMemory)
	if r != nil {
		q = r.queue
	} else { // as if a writer had been there
		q.add(&event{kind: record.KindSession, body: record.Session{}}, moment{wall: q.began}, false)
		q.events = make([]event, 0, limit)
	}
	run := &middleware.Run{
		ID: "AGXW5INJQKQOVWIHOIHGUVTVY4", Identity: middleware.Identity{Session: "s-1", Subject: "alice", Tenant: "acme"},
	}
	return &Emitter{q, run, event{
		kind: record.KindIntent, run: new(runState),
		call:  callRef{id: 4, parent: 1, kind: middleware.KindTool, name: "calculator"},
		input: "19*23", kept: len("19*23"), effects: record.EffectsReadOnly,
		balances: []middleware.Balance{{Gate: "budget", Scope: "run", Limit: "tool calls", Max: 100, Used: 3}},
	}}
}

// Emit puts one intent.
func (m *Emitter) Emit() error {
	m.e.call.id++
	e := m.e
	_, err := m.q.begin(false, m.run, nil, &e)
	return err
}

// Drain empties a queue that has no writer.
func (m *Emitter) Drain() { m.q.events = m.q.events[:0] }

// SyncFile makes durable what was written to f, as the writer does.
func SyncFile(f *os.File) error { return osfile.Sync(f) }
