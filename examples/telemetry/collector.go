package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"

	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/trust"
)

const (
	ledger = "example"
	token  = "what-only-the-agent-has" // of a real one nobody can guess
)

// A site is a collector that can be stopped and started, as safeconduct serve can.
type site struct {
	dir, addr string
	cfg       collector.Config

	end    context.CancelFunc // nil while it is stopped
	served chan error
}

// newCollector starts a collector of one ledger.
func newCollector(dir string, root ed25519.PublicKey) (*site, error) {
	s := &site{dir: dir, addr: "127.0.0.1:0", cfg: collector.Config{
		Policy: &trust.Policy{Ledgers: []trust.Ledger{
			{Origin: ledger, Roots: []trust.Root{{Key: root}}},
		}},
		Clients: []collector.Client{
			{Name: "agent", Key: collector.HashKey(token), Write: []string{ledger}, Read: []string{ledger}},
		},
	}}
	return s, s.start()
}

// start serves at the address of the last time.
func (s *site) start() error {
	c, err := collector.New(s.dir, s.cfg)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.addr)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	s.addr = l.Addr().String()
	ctx, end := context.WithCancel(context.Background())
	s.end, s.served = end, make(chan error, 1)
	go func() { s.served <- errors.Join(c.Serve(ctx, l), c.Close()) }()
	return nil
}

// stop ends it, if it is not stopped.
func (s *site) stop() error {
	if s.end == nil {
		return nil
	}
	s.end()
	s.end = nil
	return <-s.served
}

func (s *site) url(path string) string { return "http://" + s.addr + path }

// ledger returns the directory where the ledger is.
func (s *site) ledger() (string, error) {
	found, err := filepath.Glob(filepath.Join(s.dir, "ledgers", ledger+"-*"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("there are %d ledgers, not 1", len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// checkpoint asks for the newest.
func (s *site) checkpoint() ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url("/v1/checkpoints/"+ledger), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the checkpoint: %s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}
