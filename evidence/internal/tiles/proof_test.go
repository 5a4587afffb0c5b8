package tiles_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/proof"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

// testProof is a proof that holds.
func testProof(t testing.TB, index, size int64, extra []byte) tiles.Proof {
	t.Helper()
	w := tiles.NewWriter(t.TempDir(), tiles.Options{})
	dir := newLog(t, size, tiles.Options{})
	write(t, w, size)
	hashes, err := newReader(t, dir, size, w.Tail()).Inclusion(index, size)
	if err != nil {
		t.Fatal(err)
	}
	c := tiles.Checkpoint{Origin: origin, Size: size, Root: w.Root()}
	return tiles.Proof{Extra: extra, Index: index, Hashes: hashes, Checkpoint: sign(t, c, 1)}
}

func TestAProofFromTheLogToItsReader(t *testing.T) {
	for _, tt := range []struct {
		index, size int64
		extra       []byte
	}{{0, 1, nil}, {1, 2, []byte("x")}, {299, 300, entry(299)}, {5, 600, nil}} {
		text := testProof(t, tt.index, tt.size, tt.extra).Marshal()
		p, err := tiles.ParseProof(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		c, _, err := tiles.Open(p.Checkpoint, public(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := tiles.CheckInclusion(p.Hashes, p.Index, c.Size, leaf(tt.index), c.Root); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(p.Extra, tt.extra) || p.Index != tt.index {
			t.Errorf("got extra %q, index %d", p.Extra, p.Index)
		}
		if !bytes.Equal(p.Marshal(), text) {
			t.Errorf("it changes:\n%s\n%s", text, p.Marshal())
		}
	}
}

func TestTheTextOfAProof(t *testing.T) {
	p := tiles.Proof{Extra: []byte("hello"), Index: 73894, Hashes: []tiles.Hash{{}}, Checkpoint: []byte("the note\n")}
	const want = `c2sp.org/tlog-proof@v1
extra aGVsbG8=
index 73894
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

the note
`
	if got := string(p.Marshal()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOtherToolsReadOurProofs(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := tiles.Proof{
			Index:      rapid.Int64Range(0, tiles.MaxSize-1).Draw(r, "index"),
			Extra:      rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(r, "extra"),
			Checkpoint: []byte(rapid.StringMatching(`[a-z]{1,9}\n[a-z\n]{0,50}\n`).Draw(r, "checkpoint")),
		}
		for range rapid.IntRange(0, 60).Draw(r, "hashes") {
			p.Hashes = append(p.Hashes, tiles.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, "hash")))
		}
		var theirs proof.TLogProof
		if err := theirs.Unmarshal(p.Marshal()); err != nil {
			r.Fatal(err)
		}
		if len(p.Extra) == 0 {
			p.Extra, theirs.ExtraData = nil, nil
		}
		if int64(theirs.Index) != p.Index || !bytes.Equal(theirs.ExtraData, p.Extra) || !bytes.Equal(theirs.Checkpoint, p.Checkpoint) ||
			len(theirs.Hashes) != len(p.Hashes) {
			r.Fatalf("read as %+v", theirs)
		}
		for i, h := range theirs.Hashes {
			if h != p.Hashes[i] {
				r.Fatalf("hash %d differs", i)
			}
		}
		if !bytes.Equal(theirs.Marshal(), p.Marshal()) {
			r.Fatalf("written as\n%s\nnot\n%s", theirs.Marshal(), p.Marshal())
		}
		if got, err := tiles.ParseProof(theirs.Marshal()); err != nil || !reflect.DeepEqual(got, p) {
			r.Fatalf("got %+v, %v, want %+v", got, err, p)
		}
	})
}

func TestParseProofRefuses(t *testing.T) {
	const (
		head = "c2sp.org/tlog-proof@v1\n"
		hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	)
	for name, text := range map[string]string{
		"nothing":                  "",
		"another version":          "c2sp.org/tlog-proof@v2\nindex 1\n\nnote\n",
		"a carriage return":        "c2sp.org/tlog-proof@v1\r\nindex 1\n\nnote\n",
		"only a header":            head,
		"no index":                 head + hash + "\nnote\n",
		"no value of the index":    head + "index\n\nnote\n",
		"an empty index":           head + "index \n\nnote\n",
		"a leading zero":           head + "index 01\n\nnote\n",
		"a sign":                   head + "index +1\n\nnote\n",
		"a negative index":         head + "index -1\n\nnote\n",
		"two spaces":               head + "index  1\n\nnote\n",
		"past 63 bits":             head + "index 9223372036854775808\n\nnote\n",
		"too large":                fmt.Sprintf("%sindex %d\n\nnote\n", head, int64(tiles.MaxSize)),
		"an empty extra":           head + "extra \nindex 1\n\nnote\n",
		"two extras":               head + "extra AAAA\nextra AAAA\nindex 1\n\nnote\n",
		"extra after the index":    head + "index 1\nextra AAAA\n\nnote\n",
		"extra in URL form":        head + "extra __8=\nindex 1\n\nnote\n",
		"extra without =":          head + "extra AA\nindex 1\n\nnote\n",
		"extra with trailing bits": head + "extra AB==\nindex 1\n\nnote\n",
		"extra with a return":      head + "extra AA\rAA\nindex 1\n\nnote\n",
		"extra that is long":       head + "extra " + strings.Repeat("AAAA", tiles.MaxExtra/3+1) + "\nindex 1\n\nnote\n",
		"a short hash":             head + "index 1\nAAAA\n\nnote\n",
		"a hash with a return":     head + "index 1\n" + strings.Replace(hash, "\n", "\r\n", 1) + "\nnote\n",
		"a hash of trailing bits":  head + "index 1\n" + strings.Replace(hash, "A=", "B=", 1) + "\nnote\n",
		"too many hashes":          head + "index 1\n" + strings.Repeat(hash, 61) + "\nnote\n",
		"no empty line":            head + "index 1\n" + hash + "note\n",
		"no end":                   head + "index 1\n" + hash,
		"no checkpoint":            head + "index 1\n" + hash + "\n",
		"a long checkpoint":        head + "index 1\n" + hash + "\n" + strings.Repeat("a", 128<<10+1),
		"a long line":              head + strings.Repeat("a", 1<<20),
	} {
		if p, err := tiles.ParseProof([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, p)
		} else if !strings.HasPrefix(err.Error(), "tiles: proof: ") || len(err.Error()) > 100 {
			t.Errorf("%s: got error %q", name, err)
		}
	}
	for name, text := range map[string]string{
		"as many hashes as can be": head + "index 1\n" + strings.Repeat(hash, 60) + "\nnote\n",
		"as much extra as can be":  string(tiles.Proof{Extra: make([]byte, tiles.MaxExtra), Checkpoint: []byte("note\n")}.Marshal()),
		"no hashes":                head + "index 0\n\nnote\n",
	} {
		if _, err := tiles.ParseProof([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add(testProof(f, 0, 1, nil).Marshal())
	f.Add(testProof(f, 5, 9, []byte("hello")).Marshal())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 0\n\nnote\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tiles.ParseProof(b)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Marshal(), b) {
			t.Errorf("%q is taken for %q", b, p.Marshal())
		}
		// A reader by other people takes whatever this one does, if its lines are
		// not too long for it, and end in newlines alone.
		if len(b) > 60_000 || bytes.ContainsRune(b, '\r') || b[len(b)-1] != '\n' {
			return
		}
		var theirs proof.TLogProof
		if err := theirs.Unmarshal(b); err != nil || int64(theirs.Index) != p.Index || !bytes.Equal(theirs.Checkpoint, p.Checkpoint) {
			t.Errorf("%q is taken by one reader only: %v", b, err)
		}
	})
}
