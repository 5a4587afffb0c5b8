package trust_test

import (
	"crypto/ed25519"
	"fmt"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

func ExampleGenerateKey() {
	key, err := trust.GenerateKey()
	if err != nil {
		panic(err)
	}
	fmt.Println(len(record.KeyID(key.Public().(ed25519.PublicKey))))
	// Output: 64
}
