package aitracer_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/record"
)

// A kit has the records of evidencetest, of which the vendor would hear nothing,
// stand for calls of tools: what is posted of each leads back to it.
type kit struct {
	t      *testing.T
	vendor vendor
	url    string

	mu        sync.Mutex
	envelopes map[string][]byte // by the ID of the outcome that stands for each
}

// sink returns a sink over the vendor.
func (k *kit) sink(cfg aitracer.SinkConfig) evidence.Sink {
	sink := aitracer.NewSink(newClient(k.t, aitracer.Config{BaseURL: k.url}), cfg)
	return func(ctx context.Context, envelopes [][]byte) error {
		outcomes := make([][]byte, len(envelopes))
		for i, e := range envelopes {
			outcomes[i] = k.outcome(e)
		}
		err := sink.Take(ctx, outcomes)
		for _, o := range outcomes { // they were not to be kept
			clear(o)
		}
		return err
	}
}

func (k *kit) outcome(envelope []byte) []byte {
	id := fmt.Sprintf("%x", sha256.Sum256(envelope))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.envelopes[id] = append([]byte(nil), envelope...)
	return seal(k.t, record.Record{
		ID: id, Kind: record.KindOutcome, Run: "r",
		Call: &record.Call{ID: 1, Kind: "tool", Name: "x"}, Outcome: &record.Outcome{Result: record.ResultDone},
	})
}

// stored is what a vendor has that knows a requestId again: one of each.
func (k *kit) stored() (envelopes [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	has := make(map[string]bool)
	for _, r := range k.vendor.taken() {
		for _, id := range requestIDs(k.t, r) {
			if !has[id] {
				has[id] = true
				envelopes = append(envelopes, k.envelopes[id])
			}
		}
	}
	return envelopes
}

// requestIDs returns those of a request, which may be many spans.
func requestIDs(t *testing.T, r request) (ids []string) {
	var body struct {
		RequestID     string
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Error(err)
	}
	if body.RequestID != "" {
		ids = append(ids, body.RequestID)
	}
	for _, r := range body.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				for _, a := range span.Attributes {
					if a.Key == "safeconduct.record" {
						ids = append(ids, a.Value.StringValue)
					}
				}
			}
		}
	}
	return ids
}

func (k *kit) set(fault func(w http.ResponseWriter, r *http.Request, n int, body []byte) bool) {
	k.vendor.mu.Lock()
	k.vendor.fault = fault
	k.vendor.mu.Unlock()
}

// breakAfter has the vendor take n more requests, and then be away.
func (k *kit) breakAfter(n int) {
	if n < 0 {
		k.set(nil)
		return
	}
	last := k.vendor.requests() + n
	k.set(func(w http.ResponseWriter, _ *http.Request, at int, _ []byte) bool {
		if at > last {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return at > last
	})
}

func (k *kit) hang() (release func()) {
	released := make(chan struct{})
	k.set(func(_ http.ResponseWriter, r *http.Request, _ int, _ []byte) bool {
		select {
		case <-released:
			return false
		case <-r.Context().Done():
			return true
		}
	})
	return func() {
		k.set(nil)
		close(released)
	}
}

func TestSinkKeepsTheRules(t *testing.T) {
	for name, cfg := range map[string]aitracer.SinkConfig{"native": {}, "otlp": {OTLP: true}} {
		t.Run(name, func(t *testing.T) {
			evidencetest.TestSink(t, func(t *testing.T, _ ed25519.PublicKey) evidencetest.Subject {
				k := &kit{t: t, envelopes: make(map[string][]byte)}
				k.url = serve(t, &k.vendor)
				breakAfter := k.breakAfter
				if cfg.OTLP { // all spans are in one request
					breakAfter = func(n int) { k.breakAfter(min(n, 0)) }
				}
				return evidencetest.Subject{
					Sink: k.sink(cfg), Stored: k.stored, Break: breakAfter, Hang: k.hang,
					Reopen:    func() evidence.Sink { return k.sink(cfg) },
					Unordered: true, // posts overtake one another
				}
			})
		})
	}
}
