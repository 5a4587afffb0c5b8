package collector

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Metrics are what a Collector counts from its start. The zero metrics are ready
// to use.
type metrics struct {
	taken         atomic.Uint64 // records acknowledged, including those that were there before
	stored        atomic.Uint64 // records in the ledgers, including those found at the start
	equivocations atomic.Uint64

	mu       sync.Mutex
	problems map[string]uint64 // by kind
}

func (m *metrics) problem(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problems == nil {
		m.problems = make(map[string]uint64)
	}
	m.problems[kind]++
}

// getMetrics answers in the text format of Prometheus 0.0.4. No ledger and no
// client is named.
func (c *Collector) getMetrics(w http.ResponseWriter, _ *http.Request, cl *client) (origin string, p *problem) {
	if len(cl.Read) == 0 {
		return "", newProblem("forbidden")
	}
	ledgers, unavailable := 0, 0
	for _, l := range c.ledgers {
		switch r, err := l.existing(); {
		case err != nil:
			unavailable++
		case r != nil:
			ledgers++
		}
	}
	var b strings.Builder
	one := func(name, kind, help string, value uint64) {
		name = "safeconduct_collector_" + name
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, help, name, kind, name, value)
	}
	one("records_taken_total", "counter", "Records acknowledged, repeated ones included.", c.metrics.taken.Load())
	one("records", "gauge", "Records in the ledgers.", c.metrics.stored.Load())
	one("equivocations_total", "counter", "Signed records and checkpoints that contradicted a ledger.", c.metrics.equivocations.Load())
	one("ledgers", "gauge", "Ledgers that are served.", uint64(ledgers))
	one("ledgers_unavailable", "gauge", "Ledgers that cannot be served.", uint64(unavailable))
	b.WriteString("# HELP safeconduct_collector_refused_total Requests that were not a success, by problem.\n" +
		"# TYPE safeconduct_collector_refused_total counter\n")
	c.metrics.mu.Lock()
	for _, kind := range slices.Sorted(maps.Keys(c.metrics.problems)) {
		fmt.Fprintf(&b, "safeconduct_collector_refused_total{problem=%q} %d\n", kind, c.metrics.problems[kind])
	}
	c.metrics.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // an error means that the client is gone
	return "", nil
}
