package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
	"github.com/spf13/cobra"
)

// A trustFlags holds the flags that say which keys and checkpoints to trust.
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

// namingCheckpoint adds the name of the file to an error about a checkpoint that was
// given.
func (t *trustFlags) namingCheckpoint(err error) error {
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
