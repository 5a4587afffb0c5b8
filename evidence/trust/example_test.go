package trust_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// The agent loads the private half, and whoever verifies the public one.
func ExampleLoadKey() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "root.key")
	key, err := trust.GenerateKey()
	if err != nil {
		panic(err)
	}
	if err := trust.WriteKey(path, key); err != nil { // and root.key.pub
		panic(err)
	}

	private, err := trust.LoadKey(path)
	if err != nil {
		panic(err)
	}
	public, err := trust.LoadPublicKey(path + ".pub")
	if err != nil {
		panic(err)
	}
	fmt.Println(private.Equal(key), public.Equal(key.Public()))
	// Output: true true
}

// A public half that was lost is written again from the private one.
func ExampleWritePublicKey() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "root.key")
	key, err := trust.GenerateKey()
	if err != nil {
		panic(err)
	}
	if err := errors.Join(trust.WriteKey(path, key), os.Remove(path+".pub")); err != nil {
		panic(err)
	}

	loaded, err := trust.LoadKey(path)
	if err != nil {
		panic(err)
	}
	if err := trust.WritePublicKey(path+".pub", loaded.Public().(ed25519.PublicKey)); err != nil {
		panic(err)
	}
	public, err := trust.LoadPublicKey(path + ".pub")
	fmt.Println(public.Equal(key.Public()), err)
	// Output: true <nil>
}
