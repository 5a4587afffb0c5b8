package aitracer

import (
	"cmp"
	"sync"

	"example.com/safeconduct/evidence/record"
)

// A callKey is one call of a run. That of the run's root call is also 0.
type callKey struct {
	run  string
	call uint32
}

// An intent is what only the intent of a call says, and not its outcome.
type intent struct {
	name, model, input string
}

// maxIntents bounds the intents that are remembered, of calls under way and
// others.
const maxIntents = 4096

// Intents remember the last that were seen.
type intents struct {
	mu    sync.Mutex
	calls map[callKey]intent
	order []callKey // the oldest at next, once there are maxIntents
	next  int
}

// see remembers an intent.
func (s *intents) see(r *record.Record) {
	in := intent{r.Call.Name, r.Request.Model, r.Input.Commitment}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(callKey{r.Run, r.Call.ID}, in)
	if r.Call.Parent == 0 {
		s.put(callKey{r.Run, 0}, in)
	}
}

// put needs s.mu.
func (s *intents) put(k callKey, in intent) {
	if s.calls == nil {
		s.calls = make(map[callKey]intent)
	}
	if _, has := s.calls[k]; !has {
		if len(s.order) < maxIntents {
			s.order = append(s.order, k)
		} else {
			delete(s.calls, s.order[s.next])
			s.order[s.next] = k
			s.next = (s.next + 1) % maxIntents
		}
	}
	s.calls[k] = in
}

// complete adds to an event what its intent said, and that of the run's root.
func (s *intents) complete(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.calls[callKey{e.Run, e.Call}]
	e.Input, e.Asked = in.input, in.model
	e.Workflow = cmp.Or(e.Workflow, s.calls[callKey{e.Run, 0}].name, e.Name, e.Kind)
}
