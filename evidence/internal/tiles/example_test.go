package tiles_test

import (
	"crypto/ed25519"
	"fmt"
	"log"
	"os"

	"example.com/safeconduct/evidence/internal/tiles"
)

// A log is written, its checkpoint signed, and one of its leaves shown to be in
// it to somebody who has the key of the log and nothing else.
func Example() {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	pub := key.Public().(ed25519.PublicKey)

	w := tiles.NewWriter(dir, tiles.Options{})
	for i := range 1000 {
		entry := fmt.Appendf(nil, "entry %d", i)
		if err := w.Append(tiles.LeafHash(entry), entry); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Partial(); err != nil {
		log.Fatal(err)
	}
	checkpoint := tiles.Checkpoint{Origin: "ledger.example/agent-7", Size: w.Size(), Root: w.Root()}
	signed, err := tiles.Sign(checkpoint, pub, func(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil })
	if err != nil {
		log.Fatal(err)
	}
	r, err := tiles.NewReader(dir, checkpoint.Size, w.Tail())
	if err != nil {
		log.Fatal(err)
	}
	hashes, err := r.Inclusion(7, checkpoint.Size)
	if err != nil {
		log.Fatal(err)
	}
	text := tiles.Proof{Index: 7, Hashes: hashes, Checkpoint: signed}.Marshal()

	// Elsewhere:
	p, err := tiles.ParseProof(text)
	if err != nil {
		log.Fatal(err)
	}
	c, _, err := tiles.Open(p.Checkpoint, pub)
	if err != nil {
		log.Fatal(err)
	}
	leaf := tiles.LeafHash([]byte("entry 7"))
	if c.Origin == "ledger.example/agent-7" && tiles.CheckInclusion(p.Hashes, p.Index, c.Size, leaf, c.Root) == nil {
		fmt.Println("entry 7 is leaf", p.Index, "of", c.Size)
	}
	// Output: entry 7 is leaf 7 of 1000
}
