package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"github.com/spf13/cobra"
)

func newKeygen() *cobra.Command {
	var payload bool
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key that signs evidence, or one that encrypts contents",
		Long: `Keygen makes an Ed25519 key. It writes the private half to FILE, readable by
its owner only, and the public half to FILE.pub. It overwrites neither.

The agent signs with the private half, as evidence.Config.Key. Whoever verifies
needs the public half, from a place that the agent cannot change.

With --payload it makes a key that encrypts contents instead, 32 random bytes,
and writes it to FILE in base64, readable by its owner only: for
trust.LoadPayloadKey and safeconduct reveal.`,
		Example: `  safeconduct keygen agent.key
  safeconduct keygen --payload payload.key`,
		Args: wantArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if payload {
				return keygenPayload(cmd, args[0])
			}
			return keygen(cmd, args[0])
		},
	}
	cmd.Flags().BoolVar(&payload, "payload", false, "make a key that encrypts contents")
	return cmd
}

func keygenPayload(cmd *cobra.Command, path string) error {
	key := make([]byte, 32)
	defer clear(key)
	_, _ = rand.Read(key) // never fails
	if err := trust.WritePayloadKey(path, key); err != nil {
		return keygenError(err)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), `payload key  %s (keep it secret)

It is for the agent, and for whoever may read contents. Keep it, and not beside
the ledger: losing it erases all contents.
`, escape(path))
	return err
}

func keygen(cmd *cobra.Command, path string) error {
	if strings.HasSuffix(path, ".pub") {
		return usagef("%s would hold the private key, and .pub says public: leave it out", path)
	}
	key, err := trust.GenerateKey()
	if err != nil {
		return err
	}
	defer clear(key)
	if err := trust.WriteKey(path, key); err != nil {
		return keygenError(err)
	}
	path = escape(path)
	_, err = fmt.Fprintf(cmd.OutOrStdout(), `private key  %s (for the agent: keep it secret)
public key   %s.pub (for whoever verifies)
key id       %s

Next: safeconduct verify LEDGER --key %s.pub
`, path, path, record.KeyID(key.Public().(ed25519.PublicKey)), path)
	return err
}

func keygenError(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: give another name, keys are never overwritten", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: make the directory first", err)
	}
	return fmt.Errorf("%w: give a place that you may write to", err)
}
