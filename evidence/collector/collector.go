package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
)

// A Config says what a [Collector] takes, and from whom.
type Config struct {
	// Policy names the ledgers that are taken, and says which root keys are
	// trusted for each. It must not be nil.
	Policy *trust.Policy

	// Clients are those who may write and read. Without any, nobody may.
	Clients []Client

	// Limits bound what one request may take.
	Limits Limits

	// Logger gets what was refused, at a bounded rate, each equivocation, and
	// failures of the disk, and never contents. If it is nil, nothing is logged.
	Logger *slog.Logger
}

// Limits bound requests. A zero field has its default.
type Limits struct {
	Body       int64 // bytes of a body as it is sent; 16 MiB
	Plain      int64 // bytes of a body without its compression; 64 MiB
	Records    int   // of one request; 16,384
	Concurrent int   // requests of one client at a time; 8

	// Connections bounds those open at a time, in Serve, of which a quarter may be
	// without a key: 1,024, or half of the files that the process may open.
	Connections int

	// Timeout bounds the time to read a request's body, and again to write the
	// answer: 30 seconds. It also bounds the time to read the header, for which
	// there are at most 10 seconds.
	Timeout time.Duration
}

// A Collector is the receiving end of exporters: an http.Handler that verifies
// records, stores them in one ledger for each origin, and answers once they are
// durable. It is safe for concurrent use.
type Collector struct {
	limits  Limits
	log     logger
	clients []*client
	ledgers map[string]*ledger // by origin: all that the policy names
	metrics metrics
	mux     *http.ServeMux

	connections *connLimiter
}

// New returns a Collector that keeps its ledgers below the directory dir, which it
// makes if there is none. It must be closed. The ledgers that are there are read
// through first: see replica.Open. One that is damaged is logged, and only
// that one is unavailable until the next start; one that cannot be opened for another
// reason, such as a full disk, is tried again.
//
// The error wraps evidence.ErrLocked where another process has a ledger open. A client
// that may write a ledger which the policy does not name is an error too. New panics
// without a Policy, on a negative limit, and on Clients that [ParseClients] refuses.
func New(dir string, cfg Config) (*Collector, error) {
	if cfg.Policy == nil {
		panic("collector: New: no Policy")
	}
	if l := cfg.Limits; l.Body < 0 || l.Plain < 0 || l.Records < 0 || l.Concurrent < 0 || l.Connections < 0 || l.Timeout < 0 {
		panic("collector: New: negative limit")
	}
	if err := checkClients(cfg.Clients); err != nil {
		panic("collector: New: " + err.Error())
	}
	c := &Collector{
		limits: Limits{
			Body:       cmp.Or(cfg.Limits.Body, 16<<20),
			Plain:      cmp.Or(cfg.Limits.Plain, 64<<20),
			Records:    cmp.Or(cfg.Limits.Records, 1<<14),
			Concurrent: cmp.Or(cfg.Limits.Concurrent, 8),
			Timeout:    cmp.Or(cfg.Limits.Timeout, 30*time.Second),

			Connections: cmp.Or(cfg.Limits.Connections, min(maxConnections, cmp.Or(maxOpenFiles()/2, maxConnections))),
		},
		log:     logger{to: cfg.Logger},
		ledgers: make(map[string]*ledger),
	}
	c.connections = newConnLimiter(c.limits.Connections, &c.log, &c.metrics)
	for _, l := range cfg.Policy.Ledgers {
		c.ledgers[l.Origin] = newLedger(dir, l.Origin, cfg.Policy, &c.metrics)
	}
	for _, cl := range cfg.Clients {
		for _, origin := range cl.Write {
			if c.ledgers[origin] == nil {
				return nil, fmt.Errorf("collector: client %q may write %q, which the policy does not name", cl.Name, origin)
			}
		}
		c.clients = append(c.clients, newClient(cl, c.limits.Concurrent))
	}
	if err := c.open(dir); err != nil {
		return nil, fmt.Errorf("collector: %w", errors.Join(err, c.Close()))
	}
	c.route()
	return c, nil
}

// open opens the ledgers that are there.
func (c *Collector) open(dir string) error {
	if err := makeDirs(dir); err != nil {
		return err
	}
	for _, l := range c.sorted() {
		err := l.openExisting()
		if errors.Is(err, evidence.ErrLocked) {
			return err
		}
		if err != nil {
			again := !errors.Is(err, evidence.ErrDamaged)
			c.log.always(slog.LevelError, "a ledger is unavailable", "ledger", l.origin, "again", again, "error", err)
		}
	}
	return nil
}

// sorted returns the ledgers in the order of their origins.
func (c *Collector) sorted() []*ledger {
	all := make([]*ledger, 0, len(c.ledgers))
	for _, l := range c.ledgers {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *ledger) int { return cmp.Compare(a.origin, b.origin) })
	return all
}

// Serve accepts connections on l until ctx ends. It then lets the requests under way
// end, for at most Limits.Timeout, closes l and returns nil. It returns an error if
// the listener fails. For TLS, give it a listener of tls.NewListener. Where there are
// more connections than Limits allow, the oldest of those on which no key was shown
// is cut off.
func (c *Collector) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           c,
		ReadHeaderTimeout: min(c.limits.Timeout, headerTimeout),
		ConnState:         c.connections.state,
		ConnContext:       c.connections.context,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          c.log.std(),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limits.Timeout)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // whoever is slower than that is cut off
		}
		close(ended)
	})
	err := server.Serve(l)
	if !stop() { // ctx ended
		<-ended
		return nil
	}
	return fmt.Errorf("collector: %w", errors.Join(err, server.Close()))
}

// Close closes the ledgers. What was acknowledged is durable already. Requests that
// come afterwards are answered with 503.
func (c *Collector) Close() error {
	var errs []error
	for _, l := range c.sorted() {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}
