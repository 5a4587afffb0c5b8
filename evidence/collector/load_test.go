package collector_test

import (
	"context"
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/httpsink"
	"example.com/safeconduct/middleware"
)

// bear is an httpsink.Config.Token.
func bear(token string) func() string { return func() string { return token } }

// A shipper is an agent whose records and checkpoints go to a site.
type shipper struct {
	*agent
	origin string
	key    ed25519.PrivateKey
	sink   *httpsink.Sink
	tool   middleware.Handler
}

func newShipper(t testing.TB, s *site, origin string, key ed25519.PrivateKey, token string) *shipper {
	t.Helper()
	sink, err := httpsink.New(httpsink.Config{
		URL: s.url + "/v1/records", CheckpointURL: s.url + "/v1/checkpoints/{ledger}", Token: bear(token),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{
		Ledger: origin, Key: key, ReadOnly: []string{"calculator", "shell"}, Publish: sink.Publish,
		Exporters: []evidence.Exporter{{Sink: sink.Send}},
	})
	tool := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "437"}, nil
	}, a.r.Intercept)
	return &shipper{agent: a, origin: origin, key: key, sink: sink, tool: tool}
}

// calls makes runs of one call, of four records each, until there are so many
// records, and no faster than the Recorder takes them.
func (s *shipper) calls(records int) {
	s.t.Helper()
	for made := 0; made < records; made += 4 {
		if made%1024 == 0 {
			eventually(s.t, "the recorder has room", func() bool { return s.r.Stats().Waiting < 4000 })
		}
		if _, err := s.tool(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}); err != nil {
			s.t.Error(err)
			return
		}
	}
}

// finish closes the agent and compares the collector's ledger with its own.
func (s *shipper) finish(at *site) {
	s.t.Helper()
	s.close()
	if err := s.sink.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	stored := at.ledger(s.origin)
	wantSame(s.t, stored, envelopes(s.t, s.dir))
	wantIntact(s.t, stored, s.key)
	got := at.send("GET", "/v1/checkpoints/"+s.origin, auditor, nil)
	if string(got.body) != string(s.r.Checkpoint()) {
		s.t.Errorf("%s: got checkpoint %s, want %s", s.origin, got.body, s.r.Checkpoint())
	}
}

// Two agents ship to one collector, and hostile clients are about. Its ledgers are
// those of the agents, byte for byte.
func TestTwoAgentsShipToOneCollector(t *testing.T) {
	records := 600
	if testing.Short() {
		records = 200
	}
	s := newSite(t, nil)
	agents := []*shipper{newShipper(t, s, "prod", prodKey, prodAgent), newShipper(t, s, "test", testLedgerKey, testAgent)}
	first := envelopes(t, agents[0].dir)[0]
	ctx, calm := context.WithCancel(context.Background())
	var hostile, busy sync.WaitGroup
	for _, attack := range []func(){
		func() { s.send("POST", "/v1/records", "guessed", strings.NewReader("{}\n"), "Content-Type", ndjson) },
		func() { s.post(testAgent, first) },
		func() {
			_, _ = s.try("POST", "/v1/records", prodAgent, &endless{left: 1 << 30, line: strings.Repeat("x", 4096)}, "Content-Type", ndjson)
		},
		func() { s.post(prodAgent, first) },
		func() { s.dial("POST /v1/records HTTP/1.1\r\nHost:").Close() },
	} {
		hostile.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				attack()
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for _, a := range agents {
		busy.Go(func() { a.calls(records) })
	}
	busy.Wait()
	calm()
	hostile.Wait()
	for _, a := range agents {
		a.finish(s)
	}
}

// BenchmarkTargetTwoAgents has two agents make records as fast as they can and
// ship them to one collector, all on this machine, until each of them is durable
// there: 10,000 a second at least.
func BenchmarkTargetTwoAgents(b *testing.B) {
	const records, goal = 20_000, 10_000
	for b.Loop() {
		b.StopTimer()
		s := newSite(b, func(cfg *collector.Config) { cfg.Logger = nil })
		agents := []*shipper{newShipper(b, s, "prod", prodKey, prodAgent), newShipper(b, s, "test", testLedgerKey, testAgent)}
		b.StartTimer()
		began := time.Now()
		var busy sync.WaitGroup
		for _, a := range agents {
			busy.Go(func() {
				a.calls(records / 2)
				if err := a.r.Flush(context.Background()); err != nil {
					b.Error(err)
				}
			})
		}
		busy.Wait()
		rate := records / time.Since(began).Seconds()
		b.StopTimer()
		b.ReportMetric(rate, "records/s")
		b.ReportMetric(goal/rate, "goal-x")
		for _, a := range agents {
			a.finish(s)
		}
		s.shutDown()
		b.StartTimer()
	}
}
