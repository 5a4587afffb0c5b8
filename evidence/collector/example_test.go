package collector_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/trust"
)

// A Collector is an http.Handler. An agent's ledger is posted to it, and is there
// before the answer comes.
func ExampleNew() {
	tmp, err := os.MkdirTemp("", "collector")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)
	recorder, err := evidence.Open(filepath.Join(tmp, "ledger"), evidence.Config{Ledger: "prod"})
	if err != nil {
		panic(err)
	}
	if err := recorder.Close(context.Background()); err != nil {
		panic(err)
	}
	var records strings.Builder
	if _, err := evidence.ExportEnvelopes(&records, filepath.Join(tmp, "ledger")); err != nil {
		panic(err)
	}

	c, err := collector.New(filepath.Join(tmp, "collected"), collector.Config{
		Policy: &trust.Policy{Ledgers: []trust.Ledger{
			{Origin: "prod", Roots: []trust.Root{{Key: recorder.PublicKey()}}},
		}},
		Clients: []collector.Client{
			{Name: "agent", Key: collector.HashKey("what only the agent has"), Write: []string{"prod"}},
		},
	})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	server := httptest.NewServer(c)
	defer server.Close()
	for _, key := range []string{"a guess", "what only the agent has"} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/v1/records", strings.NewReader(records.String()))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	// Output:
	// 401 Unauthorized
	// 200 OK
}

// Clients are usually read from a file that only the collector may read.
func ExampleParseClients() {
	clients, err := collector.ParseClients([]byte(`{
	  "version": 1,
	  "clients": [
	    {
	      "name": "agent-1",
	      "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
	      "write": ["prod-agent"]
	    }
	  ]
	}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(clients[0].Name, clients[0].Write, clients[0].Key == collector.HashKey("foo"))
	// Output: agent-1 [prod-agent] true
}
