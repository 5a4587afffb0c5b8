package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/trust"
	"github.com/spf13/cobra"
)

// A serveFlags is what a command line says about how to serve.
type serveFlags struct {
	listen, keys, policy string
	tlsCert, tlsKey      string
	noTLS                bool
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve DIR --keys FILE --policy FILE",
		Short: "Collect the ledgers of agents over HTTP",
		Long: `Serve takes the records of agents over HTTP, verifies them against the policy,
stores them in one ledger for each origin below DIR/ledgers, and acknowledges
them once they are durable. verify, inspect and the other commands read these
ledgers, also while they are written. What contradicts them is kept in
DIR/equivocations. DIR is made if there is none.

The policy names the ledgers that are taken and the root keys that are trusted
for each; trust.Policy says what else it can have:

  {
    "version": 1,
    "ledgers": [{"ledger": "prod", "roots": [{"key": "MCowBQYDK2VwAyEA..."}]}]
  }

Here key is what stands between BEGIN and END in the agent's .pub file. The file
of keys says who may write and read which ledger; only its owner may read it:

  {
    "version": 1,
    "clients": [
      {"name": "agent-1", "sha256": "2c26b46b...", "write": ["prod"]},
      {"name": "auditor", "sha256": "fcde2b2e...", "read": ["*"]}
    ]
  }

Here sha256 is what "printf %s KEY | sha256sum" prints. Make a key with
"openssl rand -hex 32"; the agent's httpsink.Config.Token returns it.

An agent's newest checkpoint is at /v1/checkpoints/LEDGER: with it, verify
--checkpoint finds what was cut off or rewritten at the agent. The runs of a
ledger are at /v1/runs?ledger=LEDGER, and counts for Prometheus at /metrics,
each for a client with a key that may read. /openapi.json describes all that is
served, and is for everybody, as is /healthz.

Serve logs to standard error, and never contents. It ends when it is
interrupted, once the requests under way are answered.

Exit codes: 0 interrupted, 2 not served.`,
		Example: `  safeconduct serve collected --keys clients.json --policy trust.json
  safeconduct serve collected --keys clients.json --policy trust.json \
    --listen :8443 --tls-cert server.pem --tls-key server.key`,
		Args:              wantArgs("DIR"),
		ValidArgsFunction: completeDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, tlsConfig, err := f.config()
			if err != nil {
				return err
			}
			cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal kills
			return serve(ctx, cmd, args[0], f.listen, cfg, tlsConfig)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8443", "the `ADDRESS` to listen on")
	flags.StringVar(&f.keys, "keys", "", "a `FILE` that says who may write and read what")
	flags.StringVar(&f.policy, "policy", "", "a `FILE` with the ledgers to take, and the keys to trust")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "a `FILE` with the chain of certificates to serve, in PEM")
	flags.StringVar(&f.tlsKey, "tls-key", "", "a `FILE` with the key of the certificate, in PEM")
	flags.BoolVar(&f.noTLS, "no-tls", false, "serve other machines without TLS, as behind a proxy")
	return cmd
}

// config reads the files.
func (f *serveFlags) config() (cfg collector.Config, _ *tls.Config, err error) {
	switch {
	case f.keys == "":
		return cfg, nil, usagef("no keys given: give --keys FILE, which says who may write and read what")
	case f.policy == "":
		return cfg, nil, usagef("no policy given: give --policy FILE, which says which ledgers are taken")
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return cfg, nil, usagef("--tls-cert and --tls-key go together")
	case f.noTLS && f.tlsCert != "":
		return cfg, nil, usagef("--no-tls and --tls-cert exclude each other")
	case f.tlsCert == "" && !f.noTLS && !isLoopback(f.listen):
		return cfg, nil, usagef("others could read the keys that come to %s: "+
			"give --tls-cert and --tls-key, or --no-tls behind something that has TLS", f.listen)
	}
	if cfg.Policy, err = trust.LoadPolicy(f.policy); err != nil {
		return cfg, nil, fmt.Errorf("%w: see --policy", err)
	}
	if cfg.Clients, err = collector.LoadClients(f.keys); err != nil {
		return cfg, nil, fmt.Errorf("%w: see --keys", err)
	}
	if len(cfg.Clients) == 0 {
		return cfg, nil, fmt.Errorf("clients %s: names no client, and nobody could do anything: see --keys", f.keys)
	}
	tlsConfig, err := f.tls()
	return cfg, tlsConfig, err
}

// tls returns the configuration of TLS, nil where there is none.
func (f *serveFlags) tls() (*tls.Config, error) {
	if f.tlsCert == "" {
		return nil, nil
	}
	cert, err := readFile(f.tlsCert, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate %w: see --tls-cert", err)
	}
	key, err := readFile(f.tlsKey, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("key %w: see --tls-key", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its key in PEM: see --tls-cert and --tls-key", f.tlsCert, f.tlsKey)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// maxPEM bounds a certificate with those that lead to it, in bytes.
const maxPEM = 1 << 20

// isLoopback reports whether only this machine reaches an address. It is true of one
// that makes no sense, on which nothing will listen.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// serve serves until ctx ends.
func serve(ctx context.Context, cmd *cobra.Command, dir, address string, cfg collector.Config, tlsConfig *tls.Config) (err error) {
	c, err := collector.New(dir, cfg)
	if err != nil {
		return fmt.Errorf("%w: %s", err, serveHint(err))
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the address is said already
		}
		return fmt.Errorf("listen on %s: %w: give another --listen", address, err)
	}
	url := "http://" + l.Addr().String()
	if tlsConfig != nil {
		url, l = "https://"+l.Addr().String(), tls.NewListener(l, tlsConfig)
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), `records      %s/v1/records (httpsink.Config.URL)
checkpoints  %s/v1/checkpoints/{ledger} (httpsink.Config.CheckpointURL)
stored       %s below %s
`, url, url, count(uint64(len(cfg.Policy.Ledgers)), "ledger"), escape(filepath.Join(dir, "ledgers"))); err != nil {
		return errors.Join(err, l.Close())
	}
	return c.Serve(ctx, l)
}

// serveHint says what to do about a collector that cannot be made.
func serveHint(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, evidence.ErrLocked):
		return "end the other one, or give another DIR"
	case errors.Is(err, fs.ErrPermission):
		return "run as a user who may write it"
	case errors.As(err, &path):
		return "give another DIR"
	}
	return "see --keys and --policy"
}
