package tiles_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

const origin = "ledger.example/agent-7"

func testKey(seed byte) (ed25519.PublicKey, func([]byte) ([]byte, error)) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return key.Public().(ed25519.PublicKey), func(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil }
}

func public(seed byte) ed25519.PublicKey {
	pub, _ := testKey(seed)
	return pub
}

func testCheckpoint(size int64) tiles.Checkpoint {
	if size == 0 {
		return tiles.Checkpoint{Origin: origin, Root: new(tiles.Tree).Root()}
	}
	return tiles.Checkpoint{Origin: origin, Size: size, Root: leaf(size)}
}

func sign(t testing.TB, c tiles.Checkpoint, seed byte) []byte {
	t.Helper()
	pub, signer := testKey(seed)
	signed, err := tiles.Sign(c, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func vkey(t testing.TB, name string, seed byte) note.Verifier {
	t.Helper()
	text, err := tiles.VerifierKey(name, public(seed))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		t.Fatalf("note.NewVerifier(%s): %v", text, err)
	}
	return v
}

// The example of tlog-checkpoint.
const example = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

func TestCheckpointText(t *testing.T) {
	c, err := tiles.ParseCheckpoint(example)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != "example.com/behind-the-sofa" || c.Size != 20852163 || c.Text() != example {
		t.Errorf("got %+v", c)
	}
	rapid.Check(t, func(r *rapid.T) {
		want := tiles.Checkpoint{
			Origin: rapid.StringMatching(`[!-*,-~é漢]{1,60}`).Draw(r, "origin"),
			Size:   rapid.Int64Range(1, tiles.MaxSize).Draw(r, "size"),
			Root:   tiles.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, "root")),
		}
		if got, err := tiles.ParseCheckpoint(want.Text()); err != nil || got != want {
			r.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for name, text := range map[string]string{
		"nothing":               "",
		"no last newline":       strings.TrimSuffix(example, "\n"),
		"two lines":             "o\n5\n",
		"an extension line":     example + "more\n",
		"an empty line":         example + "\n",
		"no origin":             "\n5\n" + root + "\n",
		"a space in the origin": "a b\n5\n" + root + "\n",
		"a plus in the origin":  "a+b\n5\n" + root + "\n",
		"a wide space":          "a\u2003b\n5\n" + root + "\n",
		"a tab":                 "a\tb\n5\n" + root + "\n",
		"a carriage return":     "a\r\n5\n" + root + "\n",
		"a NUL":                 "a\x00\n5\n" + root + "\n",
		"invalid UTF-8":         "a\xff\n5\n" + root + "\n",
		"a long origin":         strings.Repeat("a", 256) + "\n5\n" + root + "\n",
		"a leading zero":        "a\n05\n" + root + "\n",
		"a sign":                "a\n+5\n" + root + "\n",
		"a negative size":       "a\n-5\n" + root + "\n",
		"minus zero":            "a\n-0\n" + root + "\n",
		"no size":               "a\n\n" + root + "\n",
		"a hexadecimal size":    "a\n0x5\n" + root + "\n",
		"a size with a space":   "a\n5 \n" + root + "\n",
		"too large":             fmt.Sprintf("a\n%d\n%s\n", int64(tiles.MaxSize+1), root),
		"past 63 bits":          "a\n9223372036854775808\n" + root + "\n",
		"a short root":          "a\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
		"a root without =":      "a\n5\n" + strings.TrimSuffix(root, "=") + "\n",
		"a root in URL form":    "a\n5\n" + strings.Replace(root, "/", "_", 1) + "\n",
		"trailing bits":         "a\n5\n" + strings.Replace(root, "q2I=", "q2J=", 1) + "\n",
		"a root with a return":  "a\n5\n" + root + "\r\n",
		"the root of something": "a\n0\n" + root + "\n",
		"very long":             strings.Repeat("a", 1<<20),
	} {
		if c, err := tiles.ParseCheckpoint(text); err == nil {
			t.Errorf("%s: got %+v, want an error", name, c)
		} else if !strings.HasPrefix(err.Error(), "tiles: checkpoint: ") || len(err.Error()) > 100 {
			t.Errorf("%s: got error %q", name, err)
		}
	}
	if _, err := tiles.ParseCheckpoint("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"); err != nil {
		t.Errorf("the checkpoint of an empty log: %v", err)
	}
}

func TestOtherToolsOpenOurCheckpoints(t *testing.T) {
	for _, size := range []int64{0, 1, 70_000} {
		c := testCheckpoint(size)
		signed := sign(t, c, 1)
		n, err := note.Open(signed, note.VerifierList(vkey(t, origin, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if n.Text != c.Text() || len(n.Sigs) != 1 || n.Sigs[0].Name != origin {
			t.Errorf("got %+v", n)
		}
		got, by, err := tiles.Open(signed, public(2), public(1))
		if err != nil || got != c || !by.Equal(public(1)) {
			t.Errorf("Open = %+v, %x, %v", got, by, err)
		}
	}
}

func TestWeOpenTheCheckpointsOfOtherTools(t *testing.T) {
	skey, text, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	c := testCheckpoint(9)
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(text, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	pub := ed25519.PublicKey(key[1:])
	if got, by, err := tiles.Open(signed, pub); err != nil || got != c || !by.Equal(pub) {
		t.Errorf("Open = %+v, %x, %v", got, by, err)
	}
	if again, err := tiles.VerifierKey(origin, pub); err != nil || again != text {
		t.Errorf("VerifierKey = %s, %v, want %s", again, err, text)
	}
}

// cosign adds a signature of a key under a name to a note.
func cosign(t testing.TB, signed []byte, name string, seed byte) []byte {
	t.Helper()
	pub, signer := testKey(seed)
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	c, err := tiles.ParseCheckpoint(string(text) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer([]byte(c.Text()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewEd25519VerifierKey(name, pub)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(v)
	if err != nil {
		t.Fatal(err)
	}
	h := verifier.KeyHash()
	raw := append([]byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}, sig...)
	return fmt.Appendf(bytes.Clone(signed), "— %s %s\n", name, base64.StdEncoding.EncodeToString(raw))
}

func TestOpenWithSeveralSignatures(t *testing.T) {
	c := testCheckpoint(9)
	signed := cosign(t, cosign(t, sign(t, c, 1), "witness.example", 3), origin, 2)
	for _, tt := range []struct {
		name string
		keys []ed25519.PublicKey
		by   ed25519.PublicKey
	}{
		{"the first key", []ed25519.PublicKey{public(1)}, public(1)},
		{"the second key", []ed25519.PublicKey{public(2)}, public(2)},
		{"both", []ed25519.PublicKey{public(2), public(1)}, public(1)},
		{"one key twice", []ed25519.PublicKey{public(1), public(1)}, public(1)},
		{"the key of the witness, whose name is not the origin", []ed25519.PublicKey{public(3)}, nil},
		{"another key", []ed25519.PublicKey{public(4)}, nil},
		{"no key", nil, nil},
	} {
		got, by, err := tiles.Open(signed, tt.keys...)
		if tt.by == nil {
			if !errors.Is(err, tiles.ErrUnknownKey) || got != (tiles.Checkpoint{}) || by != nil {
				t.Errorf("%s: got %+v, %x, %v, want ErrUnknownKey", tt.name, got, by, err)
			}
			continue
		}
		if err != nil || got != c || !by.Equal(tt.by) {
			t.Errorf("%s: got %+v, %x, %v, want one by %x", tt.name, got, by, err, tt.by)
		}
	}
	// As many signatures as every reader must take, of the size of a post-quantum one.
	for i := range 16 {
		signed = fmt.Appendf(signed, "— witness%d.example %s\n", i, base64.StdEncoding.EncodeToString(make([]byte, 5000)))
	}
	if _, _, err := tiles.Open(signed, public(1)); err != nil {
		t.Errorf("sixteen long signatures: %v", err)
	}
	if _, _, err := tiles.Open(append(signed, make([]byte, 128<<10)...), public(1)); err == nil {
		t.Error("a note without bounds opens")
	}
}

func TestOpenRefuses(t *testing.T) {
	c := testCheckpoint(9)
	signed := string(sign(t, c, 1))
	text, sigs, _ := strings.Cut(signed, "\n\n")
	for name, mutated := range map[string]string{
		"nothing":                 "",
		"no signature":            text + "\n",
		"no signature line":       text + "\n\n",
		"another size":            strings.Replace(signed, "\n9\n", "\n8\n", 1),
		"another origin":          strings.ReplaceAll(signed, "agent-7", "agent-8"),
		"another name":            text + "\n\n" + strings.Replace(sigs, "agent-7", "agent-8", 1),
		"another origin only":     strings.Replace(text, "agent-7", "agent-8", 1) + "\n\n" + sigs,
		"an extension line":       text + "\nmore\n\n" + sigs,
		"text before":             "more\n\n" + signed,
		"text between":            text + "\n\nmore\n\n" + sigs,
		"no last newline":         strings.TrimSuffix(signed, "\n"),
		"a carriage return":       strings.ReplaceAll(signed, "\n", "\r\n"),
		"invalid UTF-8":           signed + "\xff\n",
		"a line that is not one":  signed + "more\n",
		"a signature of 4 bytes":  text + "\n\n— " + origin + " AAAAAA==\n",
		"the same note once more": signed + "\n" + signed,
	} {
		if got, _, err := tiles.Open([]byte(mutated), public(1)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
	// A text of several paragraphs is no checkpoint, whoever signed it.
	_, signer := testKey(1)
	long := text + "\n\nmore\n"
	sig, err := signer([]byte(long))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(sigs, "\n")
	raw, err := base64.StdEncoding.DecodeString(line[strings.LastIndex(line, " ")+1:])
	if err != nil {
		t.Fatal(err)
	}
	several := fmt.Appendf(nil, "%s\n— %s %s\n", long, origin, base64.StdEncoding.EncodeToString(append(raw[:4:4], sig...)))
	if _, err := note.Open(several, note.VerifierList(vkey(t, origin, 1))); err != nil {
		t.Fatal(err)
	}
	if got, _, err := tiles.Open(several, public(1)); err == nil {
		t.Errorf("several paragraphs: got %+v, want an error", got)
	}
	// The id of a known key under another name is that of an unknown one.
	if _, _, err := tiles.Open([]byte(signed+strings.Replace(sigs, "agent-7", "agent-8", 1)), public(1)); err != nil {
		t.Errorf("a signature under another name beside a good one: %v", err)
	}
	// A bad signature of a key that is known fails the note, even beside a good one.
	bad := strings.Replace(string(cosign(t, []byte(text+"\n\n"), origin, 2)), text+"\n\n", "", 1)
	flipped := []byte(bad)
	flipped[len(flipped)-10] ^= 1
	if _, _, err := tiles.Open([]byte(signed+string(flipped)), public(1), public(2)); err == nil || errors.Is(err, tiles.ErrUnknownKey) {
		t.Errorf("a bad signature beside a good one: %v", err)
	}
}

// Whichever byte of the text or of its signature is changed, the note does not open.
func TestOpenRefusesAnyChange(t *testing.T) {
	c := testCheckpoint(9)
	signed := sign(t, c, 1)
	for i := range signed {
		for _, bit := range []byte{1, 4, 0x20, 0x80} {
			mutated := bytes.Clone(signed)
			mutated[i] ^= bit
			if got, _, err := tiles.Open(mutated, public(1)); err == nil {
				t.Fatalf("byte %d changed to %q: got %+v, want an error", i, mutated[i], got)
			}
		}
	}
}

func TestSignRefuses(t *testing.T) {
	pub, signer := testKey(1)
	_, other := testKey(2)
	failure := errors.New("the key is away")
	good := testCheckpoint(9)
	for name, try := range map[string]func() ([]byte, error){
		"no origin":               func() ([]byte, error) { return tiles.Sign(tiles.Checkpoint{Size: 1}, pub, signer) },
		"an origin of two lines":  func() ([]byte, error) { return tiles.Sign(tiles.Checkpoint{Origin: "a\n5", Size: 1}, pub, signer) },
		"an origin with a space":  func() ([]byte, error) { return tiles.Sign(tiles.Checkpoint{Origin: "a b", Size: 1}, pub, signer) },
		"a negative size":         func() ([]byte, error) { return tiles.Sign(tiles.Checkpoint{Origin: "a", Size: -1}, pub, signer) },
		"a root of an empty log":  func() ([]byte, error) { return tiles.Sign(tiles.Checkpoint{Origin: "a"}, pub, signer) },
		"a short key":             func() ([]byte, error) { return tiles.Sign(good, pub[:31], signer) },
		"a signer of another key": func() ([]byte, error) { return tiles.Sign(good, pub, other) },
		"a short signature":       func() ([]byte, error) { return tiles.Sign(good, pub, func([]byte) ([]byte, error) { return nil, nil }) },
		"a failing signer": func() ([]byte, error) {
			return tiles.Sign(good, pub, func([]byte) ([]byte, error) { return nil, failure })
		},
	} {
		signed, err := try()
		if err == nil || signed != nil {
			t.Errorf("%s: got %q, want an error", name, signed)
		}
		if name == "a failing signer" && !errors.Is(err, failure) {
			t.Errorf("got error %v, want one that wraps %v", err, failure)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, err := tiles.VerifierKey(name, pub); err == nil {
			t.Errorf("VerifierKey takes the name %q", name)
		}
	}
	if _, err := tiles.VerifierKey("a", pub[:31]); err == nil {
		t.Error("VerifierKey takes a short key")
	}
	if _, _, err := tiles.Open(sign(t, good, 1), pub[:31]); err == nil {
		t.Error("Open takes a short key")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(example)
	f.Add(testCheckpoint(0).Text())
	f.Add(testCheckpoint(1).Text() + "extension\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := tiles.ParseCheckpoint(text)
		if err == nil && c.Text() != text {
			t.Errorf("%q is taken for %q", text, c.Text())
		}
	})
}

func FuzzOpen(f *testing.F) {
	signed := sign(f, testCheckpoint(9), 1)
	f.Add(signed)
	f.Add(cosign(f, signed, "witness.example", 2))
	list := note.VerifierList(vkey(f, origin, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, by, err := tiles.Open(b, public(1))
		if err != nil {
			return
		}
		// What opens is the one checkpoint that was ever signed, for package note too.
		n, err := note.Open(b, list)
		if err != nil || n.Text != c.Text() || c != testCheckpoint(9) || !by.Equal(public(1)) {
			t.Errorf("%q opens as %+v; for package note: %v", b, c, err)
		}
	})
}
