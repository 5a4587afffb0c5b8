package record_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/missing"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// The format is what ledgers out there are in: a change of the golden files
// needs another PredicateType.
func TestGolden(t *testing.T) {
	payload := goldenPayload()
	golden(t, "payload.json", payload)
	golden(t, "envelope.json", seal(payload))
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, payload, "", "  "); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(doc, pretty.Bytes()) {
		t.Errorf("FORMAT.md does not show this record:\n%s", &pretty)
	}
	if !bytes.Contains(doc, []byte(record.KeyID(goldenKey().Public().(ed25519.PublicKey)))) {
		t.Errorf("FORMAT.md does not show the key ID %s", record.KeyID(goldenKey().Public().(ed25519.PublicKey)))
	}
}

// cosign accepts as a type what net/url's ParseRequestURI does.
func TestPredicateTypeIsAURI(t *testing.T) {
	u, err := url.ParseRequestURI(record.PredicateType)
	if err != nil || u.Scheme != "urn" {
		t.Errorf("got %v, %v, want a URN", u, err)
	}
}

// Integers beyond 2^53 are not rounded.
func TestTrap29LargeIntegers(t *testing.T) {
	s, r := goldenRecord()
	r.Usage = &record.Usage{Input: math.MaxInt64, Total: math.MaxInt64 - 1, Cost: math.MinInt64}
	r.Mono = math.MaxInt64
	r.Balances = []record.Balance{{Max: 1<<53 + 1}}
	payload := record.AppendPayload(nil, s, r)
	canonical := jsontext.Value(bytes.Clone(payload))
	if err := canonical.Canonicalize(); err != nil || !bytes.Equal(canonical, payload) {
		t.Errorf("canonicalizing changes it (%v):\n%s\n%s", err, payload, canonical)
	}
	_, got, err := record.ParsePayload(payload)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v, want %+v", got, err, r)
	}
	r.Seq = 1 << 53
	payload = record.AppendPayload(nil, s, r)
	if _, _, err := record.ParsePayload(payload); err == nil {
		t.Error("a seq of 2^53 is accepted")
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"abc", "abc"}, {"a\xffb", "a\uFFFDb"}, {"\xff\xfe", "\uFFFD"},
		{strings.Repeat("a", 20), strings.Repeat("a", 20)},
		{strings.Repeat("a", 21), strings.Repeat("a", 17) + "…"},
		{strings.Repeat("é", 11), strings.Repeat("é", 8) + "…"},
		{strings.Repeat("a", 19) + "\xff", strings.Repeat("a", 17) + "…"},
	} {
		if got := record.Clean(tt.in, 20); got != tt.want {
			t.Errorf("Clean(%q): got %q, want %q", tt.in, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := record.Clean(wildText().Draw(t, "s"), 20)
		if len(got) > 20 || !utf8.ValidString(got) || record.Clean(got, 20) != got {
			t.Fatalf("got %q", got)
		}
	})
}

// openssl verifies a record by hand, as FORMAT.md tells.
func TestRecordWithOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		missing.Skip(t, "openssl", "%v", err)
	}
	dir := t.TempDir()
	if err := trust.WriteKey(filepath.Join(dir, "key"), goldenKey()); err != nil {
		t.Fatal(err)
	}
	payload := goldenPayload()
	var e struct{ Signatures []struct{ Sig []byte } }
	if err := json.Unmarshal(seal(payload), &e); err != nil {
		t.Fatal(err)
	}
	for _, ok := range []bool{true, false} {
		pae := record.AppendPAE(nil, payload)
		if !ok {
			pae[len(pae)-1] ^= 1
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "pae"), pae, 0o600),
			os.WriteFile(filepath.Join(dir, "sig"), e.Signatures[0].Sig, 0o600)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pub", "-in", "pae", "-sigfile", "sig")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); (err == nil) != ok {
			t.Errorf("got %v, %s, want ok %v", err, out, ok)
		}
	}
}

// RFC 9901, section 4.2.1, gives this disclosure and, in 4.2.3, its digest.
func TestCommitmentAsRFC9901(t *testing.T) {
	d := record.Disclosure{Encoded: "WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"}
	if name, v, err := d.Open(); err != nil || name != "family_name" || string(v) != `"Möbius"` {
		t.Errorf("got %s %s, %v", name, v, err)
	}
	if got, want := d.Commitment(), "uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHash(t *testing.T) {
	h := record.Hash{1, 0xab}
	b, err := h.MarshalText()
	if err != nil || string(b) != h.String() || len(b) != 64 {
		t.Errorf("got %s, %v", b, err)
	}
	var again record.Hash
	if err := again.UnmarshalText(b); err != nil || again != h {
		t.Errorf("got %v, %v", again, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("x", 64)} {
		if err := again.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("UnmarshalText(%q): got no error", bad)
		}
	}
}

func TestKeyIDPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic")
		}
	}()
	record.KeyID(ed25519.PublicKey("short"))
}

// Each number that stands in a record as one is a count or a size that every parser
// of JSON reads exactly: none is beyond 2^53, and no size is negative.
func TestNumbersThatNotEveryParserReads(t *testing.T) {
	stricter := []string{ // have a rule of their own, which says more
		"Record.Breaker.Changes", "Record.Gap.Count", "Record.Gap.From", "Record.Refused.Count", "Record.Refused.Ranges.From", "Record.Refused.Ranges.To",
		"Record.Seq", "Record.Version",
	}
	seen := 0
	var visit func(r *record.Record, v reflect.Value, at string)
	try := func(r *record.Record, at string, set func(), reset func()) {
		seen++
		set()
		if record.InRange(r) != slices.Contains(stricter, at) {
			t.Errorf("%s: got in range: %v, want the opposite", at, record.InRange(r))
		}
		reset()
	}
	visit = func(r *record.Record, v reflect.Value, at string) {
		switch v.Kind() {
		case reflect.Int64:
			try(r, at, func() { v.SetInt(1 << 53) }, func() { v.SetInt(1) })
			try(r, at, func() { v.SetInt(-1) }, func() { v.SetInt(1) })
		case reflect.Int:
			try(r, at, func() { v.SetInt(-1) }, func() { v.SetInt(1) })
		case reflect.Uint64:
			try(r, at, func() { v.SetUint(1 << 53) }, func() { v.SetUint(1) })
		case reflect.Pointer:
			visit(r, v.Elem(), at)
		case reflect.Slice:
			if v.Len() > 0 && v.Index(0).Kind() != reflect.Uint8 {
				visit(r, v.Index(v.Len()-1), at)
			}
		case reflect.Struct:
			if _, ok := v.Interface().(time.Time); ok {
				return
			}
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !strings.Contains(f.Tag.Get("json"), ",string") {
					visit(r, v.Field(i), at+"."+f.Name)
				}
			}
		}
	}
	var r record.Record
	fill(reflect.ValueOf(&r).Elem())
	if !record.InRange(&r) {
		t.Fatal("a record of ones is out of range: the test is void")
	}
	visit(&r, reflect.ValueOf(&r).Elem(), "Record")
	if seen < 20 {
		t.Errorf("got %d numbers, want more: the test is void", seen)
	}
}
