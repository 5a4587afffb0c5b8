package ledgertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// DecodePayload returns the payload of an envelope as encoding/json sees it.
func DecodePayload(t testing.TB, env []byte) []byte {
	t.Helper()
	var e struct{ Payload []byte }
	if err := json.Unmarshal(env, &e); err != nil {
		t.Fatal(err)
	}
	return e.Payload
}

// Flip changes bits of one byte of a file.
func Flip(t testing.TB, path string, at int64, bits byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= bits
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Edit changes the payload of an envelope and leaves the signature.
func Edit(t testing.TB, env []byte, old, new string) []byte {
	t.Helper()
	payload := DecodePayload(t, env)
	changed := bytes.Replace(payload, []byte(old), []byte(new), 1)
	if bytes.Equal(changed, payload) {
		t.Fatalf("%q is not in %s", old, payload)
	}
	return bytes.Replace(env, []byte(base64.StdEncoding.EncodeToString(payload)), []byte(base64.StdEncoding.EncodeToString(changed)), 1)
}

// FlipSig changes one character of the signature, which stays base64 whatever it is.
func FlipSig(env []byte) []byte {
	env = bytes.Clone(env)
	i := len(env) - len(`"}]}`) - 10
	if env[i] != 'A' {
		env[i] = 'A'
	} else {
		env[i] = 'B'
	}
	return env
}

// Strip removes the signatures of an envelope.
func Strip(env []byte) []byte {
	return append(bytes.Clone(env[:bytes.Index(env, []byte(`"signatures":[`))]), `"signatures":[]}`...)
}

// Each returns envelopes as f makes them.
func Each(envs [][]byte, f func([]byte) []byte) [][]byte {
	envs = slices.Clone(envs)
	for i := range envs {
		envs[i] = f(envs[i])
	}
	return envs
}

// Swap returns envelopes with two of them in each other's place.
func Swap(envs [][]byte, i, k int) [][]byte {
	envs = slices.Clone(envs)
	envs[i], envs[k] = envs[k], envs[i]
	return envs
}

// At returns envelopes with another one in the place of number i.
func At(envs [][]byte, i int, env []byte) [][]byte {
	envs = slices.Clone(envs)
	envs[i] = env
	return envs
}

// Spoil does something to a ledger that it takes no key for.
func Spoil(r *rapid.T, envs [][]byte) [][]byte {
	i := rapid.IntRange(0, len(envs)-1).Draw(r, "i")
	k := rapid.IntRange(0, len(envs)-1).Draw(r, "k")
	switch rapid.SampledFrom([]string{"remove", "swap", "copy", "insert", "strip", "flip", "cut"}).Draw(r, "what") {
	case "remove":
		return slices.Delete(envs, i, i+1)
	case "swap":
		envs[i], envs[k] = envs[k], envs[i]
	case "copy":
		envs[i] = envs[k]
	case "insert":
		return slices.Insert(envs, i, envs[k])
	case "strip":
		envs[i] = Strip(envs[i])
	case "flip":
		env := bytes.Clone(envs[i])
		env[rapid.IntRange(0, len(env)-1).Draw(r, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		envs[i] = env
	case "cut":
		return envs[:i+1]
	}
	return envs
}
