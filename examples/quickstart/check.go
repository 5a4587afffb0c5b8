package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
)

// check verifies the ledger with the public key, then flips one bit in a copy
// and has the verifier find it.
func check(w io.Writer, dir string) error {
	key, err := trust.LoadPublicKey(filepath.Join(dir, "key.pub"))
	if err != nil {
		return err
	}
	trust := evidence.VerifyOptions{Keys: []ed25519.PublicKey{key}}
	ledger := filepath.Join(dir, "ledger")
	report, err := evidence.Verify(ledger, trust)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "\nThe evidence\n")
	if !report.Intact() {
		return fmt.Errorf("the ledger is not intact: %s", report.First)
	}
	fmt.Fprintf(w, "  %-8s %d signed records of %d runs: %d calls done, %d denied\n",
		"intact", report.Records, report.Runs, report.Done, report.Denied)

	forged, err := os.MkdirTemp("", "forged-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(forged) }() // the system empties it else
	if err := os.CopyFS(forged, os.DirFS(ledger)); err != nil {
		return err
	}
	if err := flipOneBit(forged); err != nil {
		return err
	}
	if report, err = evidence.Verify(forged, trust); err != nil {
		return err
	}
	if report.Intact() {
		return errors.New("a flipped bit went unnoticed")
	}
	fmt.Fprintf(w, "  %-8s one bit flipped in a copy, and found:\n", "forged")
	fmt.Fprintf(w, "  %-8s %s\n", "", wrap(report.First.String(), 11, columns))
	return nil
}

// flipOneBit flips a bit in the middle of the largest file in dir.
func flipOneBit(dir string) error {
	var name string
	var size int64
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Size() > size {
			name, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(name, data, 0o600)
}
