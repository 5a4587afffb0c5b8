package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
	"github.com/spf13/cobra"
)

// A trustFlags is what a command line says about what to trust.
type trustFlags struct {
	keys, checkpoints []string
	policy, ledger    string
}

func (t *trustFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&t.keys, "key", nil, "a `FILE` with a public key to trust; may be repeated")
	f.StringVar(&t.policy, "policy", "", "a `FILE` of keys to trust, for which ledger and how long")
	f.StringArrayVar(&t.checkpoints, "checkpoint", nil, "a `FILE` with a kept checkpoint; may be repeated")
	f.StringVar(&t.ledger, "ledger", "", "the `ORIGIN` that all records must have")
}

// options reads the files.
func (t *trustFlags) options(cmd *cobra.Command) (opts evidence.VerifyOptions, err error) {
	opts.Ledger = t.ledger
	if len(t.keys) == 0 && !cmd.Flags().Changed("policy") {
		return opts, usagef("no key to trust: give --key FILE, the .pub file that keygen wrote, or --policy FILE")
	}
	if cmd.Flags().Changed("ledger") && t.ledger == "" {
		return opts, usagef("--ledger is empty")
	}
	if cmd.Flags().Changed("policy") && t.policy == "" {
		return opts, usagef("--policy is empty")
	}
	for _, path := range t.keys {
		key, err := loadPublic(path)
		if err != nil {
			return opts, err
		}
		opts.Keys = append(opts.Keys, key)
	}
	if cmd.Flags().Changed("policy") {
		if opts.Policy, err = trust.LoadPolicy(t.policy); err != nil {
			return opts, fmt.Errorf("%w: see --policy", err)
		}
	}
	for _, path := range t.checkpoints {
		if path == "" {
			return opts, usagef("--checkpoint is empty")
		}
		signed, err := readFile(path, maxCheckpoint)
		if err != nil {
			return opts, fmt.Errorf("checkpoint %w: give a file that safeconduct checkpoint wrote", err)
		}
		opts.Checkpoints = append(opts.Checkpoints, signed)
	}
	return opts, nil
}

// named says which file it is about where one of the checkpoints is none.
func (t *trustFlags) named(err error) error {
	var bad *evidence.CheckpointError
	if errors.As(err, &bad) {
		return fmt.Errorf("%s: is not a checkpoint: give a file that safeconduct checkpoint wrote", t.checkpoints[bad.Index])
	}
	return err
}

// trusted returns all keys that opts trusts for some ledger.
func trusted(opts *evidence.VerifyOptions) []ed25519.PublicKey {
	keys := append([]ed25519.PublicKey{}, opts.Keys...)
	if opts.Policy != nil {
		for _, ledger := range opts.Policy.Ledgers {
			for _, root := range ledger.Roots {
				keys = append(keys, root.Key)
			}
		}
	}
	return keys
}

// The bounds of files that are read at once.
const (
	maxCheckpoint = 128 << 10
	maxProof      = 32 << 20
)

// readFile reads a regular file of at most so many bytes. Its errors name the
// file.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a FIFO would wait
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		return nil, plain(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(path, err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, plain(path, err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("%s: is larger than %s", path, size(most))
	}
	return data, nil
}

// plain names the file and leaves out what was done to it.
func plain(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func loadPublic(path string) (ed25519.PublicKey, error) {
	if path == "" {
		return nil, usagef("--key is empty")
	}
	key, err := trust.LoadPublicKey(path)
	if err == nil {
		return key, nil
	}
	if _, serr := os.Stat(path + ".pub"); serr == nil {
		return nil, fmt.Errorf("%w: did you mean %s.pub?", err, path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: run as a user who may read it", err)
	}
	return nil, fmt.Errorf("%w: give the .pub file that keygen wrote", err)
}

// loadPrivate reads the key of a flag.
func loadPrivate(flag, path string) (ed25519.PrivateKey, error) {
	if path == "" {
		return nil, usagef("no key to sign with: give --%s FILE, the private key that keygen wrote", flag)
	}
	if _, err := trust.LoadPublicKey(path); err == nil {
		return nil, fmt.Errorf("%s: is a public key: --%s wants the private key that keygen wrote", path, flag)
	}
	key, err := trust.LoadKey(path)
	if err != nil {
		return nil, fmt.Errorf("%w: --%s wants the private key that keygen wrote", err, flag)
	}
	return key, nil
}
