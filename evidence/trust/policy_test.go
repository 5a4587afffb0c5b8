package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

const (
	policyKey1 = "MCowBQYDK2VwAyEAzswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71Pw="
	policyKey2 = "MCowBQYDK2VwAyEAa3nFfmoJUjkoLASBjpYRLz8DpAAbqXpWTCOFKj8epfw="
)

// policyFile is the one in the documentation of Policy.
const policyFile = `{
  "version": 1,
  "ledgers": [
    {
      "ledger": "prod-agent",
      "roots": [
        {
          "key": "` + policyKey1 + `",
          "notBefore": "2026-01-01T00:00:00Z",
          "notAfter": "2027-01-01T00:00:00Z"
        },
        {
          "key": "` + policyKey2 + `",
          "notBefore": "2026-12-01T00:00:00Z",
          "lastRecord": 41200
        }
      ]
    }
  ]
}
`

func policyDate(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func policyOf(t testing.TB) *trust.Policy {
	t.Helper()
	p, err := trust.ParsePolicy([]byte(policyFile))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicy(t *testing.T) {
	p := policyOf(t)
	want := &trust.Policy{Ledgers: []trust.Ledger{{
		Origin: "prod-agent",
		Roots: []trust.Root{
			{Key: public(testKey(1)), NotBefore: policyDate(2026, 1, 1), NotAfter: policyDate(2027, 1, 1)},
			{Key: public(testKey(2)), NotBefore: policyDate(2026, 12, 1), LastRecord: 41200},
		},
	}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v\nwant %+v", p, want)
	}
	data, err := p.Marshal()
	if err != nil || string(data) != policyFile {
		t.Errorf("Marshal: %v, got\n%s\nwant\n%s", err, data, policyFile)
	}
	if got, err := p.Roots("prod-agent"); err != nil || !reflect.DeepEqual(got, want.Ledgers[0].Roots) {
		t.Errorf("roots: got %+v, %v", got, err)
	}
	for _, other := range []string{"", "prod", "Prod-agent", "prod-agent "} {
		if got, err := p.Roots(other); err == nil || got != nil {
			t.Errorf("roots of %q: got %+v, %v, want an error", other, got, err)
		}
	}
	doc, err := os.ReadFile("policy.go")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.ReplaceAll(strings.TrimSpace(policyFile), "\n", "\n//	"); !strings.Contains(string(doc), "//	"+text) {
		t.Error("the documentation of Policy shows another file than the one tested")
	}
}

// What stands in the file that WriteKey writes is what a policy takes.
func TestPolicyKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := trust.WriteKey(path, testKey(1)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(string(data), "\n"); len(lines) < 3 || lines[1] != policyKey1 {
		t.Errorf("the key file holds\n%s\nwant the line %s", data, policyKey1)
	}
}

func TestPolicyRefuses(t *testing.T) {
	const (
		bounds = `"notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z"`
		root   = `{"key": "` + policyKey1 + `"}`
		head   = `{"version": 1, "ledgers": [`
		one    = `{"ledger": "a", "roots": [` + root + `]}`
	)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaDER, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	withRoot := func(members string) string {
		return head + `{"ledger": "a", "roots": [` + root + `, {"key": "` + policyKey2 + `", ` + members + `}]}]}`
	}
	withKey := func(key string) string { return head + `{"ledger": "a", "roots": [{"key": "` + key + `"}]}]}` }
	for _, tt := range []struct{ name, data, says string }{
		{"nothing", "", "is empty"},
		{"space", " \n\t", "is empty"},
		{"byte order mark", "\ufeff" + policyFile, "byte order mark"},
		{"null", "null", `"": is null`},
		{"a list", "[]", `"": is of the wrong type`},
		{"a comment", "// roots\n" + policyFile, "is not JSON"},
		{"UTF-16", "{\x00}\x00", "is not JSON"},
		{"trailing data", policyFile + "x", "is not JSON"},
		{"two values", policyFile + policyFile, "is not JSON"},
		{"NUL at the end", policyFile + "\x00", "is not JSON"},
		{"trailing comma", head + one + ",]}", "is not JSON"},
		{"cut off", head + one, "is cut off"},
		{"invalid UTF-8", head + `{"ledger": "` + "\xff" + `", "roots": [` + root + `]}]}`, "invalid UTF-8"},
		{"lone surrogate", head + `{"ledger": "\ud800", "roots": [` + root + `]}]}`, "is not JSON"},
		{"deep", head + strings.Repeat("[", 100_000), `"/ledgers/0": is of the wrong type`},
		{"too large", policyFile + strings.Repeat(" ", 1<<20), "larger than 1 MiB"},

		{"no version", `{"ledgers": [` + one + `]}`, `"/version": version 0 is not known`},
		{"next version", `{"version": 2, "ledgers": [` + one + `]}`, `"/version": version 2 is not known`},
		{"version as text", `{"version": "1", "ledgers": [` + one + `]}`, `"/version": is of the wrong type`},
		{"version 1.0", `{"version": 1.0, "ledgers": [` + one + `]}`, `"/version": is of the wrong type`},
		{"no ledgers", `{"version": 1}`, "names no ledger"},
		{"an empty list of ledgers", head + `]}`, "names no ledger"},
		{"ledgers null", `{"version": 1, "ledgers": null}`, `"/ledgers": is null`},
		{"ledger null", head + `null]}`, `"/ledgers/0": is null`},
		{"unknown member", `{"version": 1, "ledger": [], "ledgers": [` + one + `]}`, `"/ledger": is not a member`},
		{"member in capitals", `{"Version": 1, "ledgers": [` + one + `]}`, `"/Version": is not a member`},
		{"member twice", `{"version": 1, "ledgers": [` + one + `], "ledgers": [` + one + `]}`, `"/ledgers": stands there twice`},
		{"member twice, escaped", `{"version": 1, "ledgers": [` + one + `], "\u006cedgers": []}`, `"/ledgers": stands there twice`},
		{"unknown member of a ledger", head + one + `, {"ledger": "b", "root": [` + root + `]}]}`, `"/ledgers/1/root": is not a member`},
		{"an escape sequence in a name", head + `{"\u001b[31m": 1}]}`, `"/ledgers/0/\x1b[31m": is not a member`},

		{"no origin", head + one + `, {"roots": [` + root + `]}]}`, `"/ledgers/1": ledger: is missing or empty`},
		{"empty origin", head + `{"ledger": "", "roots": [` + root + `]}]}`, `"/ledgers/0": ledger: is missing or empty`},
		{"origin with a space", head + `{"ledger": "a b", "roots": [` + root + `]}]}`, `"/ledgers/0": ledger: is too long`},
		{"long origin", head + `{"ledger": "` + strings.Repeat("a", 4096) + `", "roots": [` + root + `]}]}`, `"/ledgers/0": ledger: is too long`},
		{"a ledger twice", head + one + `,` + one + `]}`, `"/ledgers/1": ledger: is that of /ledgers/0`},
		{"no roots", head + `{"ledger": "a"}]}`, `"/ledgers/0": roots: there are none`},
		{"an empty list of roots", head + `{"ledger": "a", "roots": []}]}`, `"/ledgers/0": roots: there are none`},
		{"root null", head + `{"ledger": "a", "roots": [null]}]}`, `"/ledgers/0/roots/0": is null`},

		{"no key", head + `{"ledger": "a", "roots": [{}]}]}`, `"/ledgers/0/roots/0": key: is missing`},
		{"the same key twice", head + `{"ledger": "a", "roots": [` + root + `,` + root + `]}]}`,
			`"/ledgers/0/roots/1": key: is that of /ledgers/0/roots/0`},
		{"key in PEM", withKey(`-----BEGIN PUBLIC KEY-----\n` + policyKey1 + `\n-----END PUBLIC KEY-----\n`), "is in PEM"},
		{"key with a newline", withKey(policyKey1 + `\n`), "not spelled as in a key file"},
		{"key broken in two lines", withKey(policyKey1[:20] + `\n` + policyKey1[20:]), "not spelled as in a key file"},
		{"key without padding", withKey(policyKey1[:len(policyKey1)-1]), "not in base64"},
		{"key with loose bits", withKey(policyKey1[:len(policyKey1)-2] + "x="), "not in base64"},
		{"key in hexadecimal", withKey(record.KeyID(public(testKey(1)))), "not a PKIX key"},
		{"raw key", withKey(base64.StdEncoding.EncodeToString(public(testKey(1)))), "not a PKIX key"},
		{"short key", withKey(policyKey1[:40]), "not a PKIX key"},
		{"private key", withKey("MC4CAQAwBQYDK2VwBCIEIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "not a PKIX key"},
		{"RSA key", withKey(base64.StdEncoding.EncodeToString(rsaDER)), "not an Ed25519 key but *rsa.PublicKey"},

		{"unknown member of a root", withRoot(`"notafter": "2027-01-01T00:00:00Z"`), `"/ledgers/0/roots/1/notafter": is not a member`},
		{"bound twice", withRoot(bounds + `, "notAfter": "2036-01-01T00:00:00Z"`), `"/ledgers/0/roots/1/notAfter": stands there twice`},
		{"bound null", withRoot(`"notAfter": null`), `"/ledgers/0/roots/1/notAfter": is null`},
		{"revocation null", withRoot(`"lastRecord": null`), `"/ledgers/0/roots/1/lastRecord": is null`},
		{"no time", withRoot(`"notAfter": ""`), `"/ledgers/0/roots/1": notAfter: "" is not a time`},
		{"a date", withRoot(`"notBefore": "2026-01-01"`), `"/ledgers/0/roots/1": notBefore: "2026-01-01" is not a time`},
		{"no such date", withRoot(`"notBefore": "2026-02-30T00:00:00Z"`), "is not a time"},
		{"one digit", withRoot(`"notBefore": "2026-01-01T0:00:00Z"`), "is not a time"},
		{"comma", withRoot(`"notBefore": "2026-01-01T00:00:00,5Z"`), "is not a time"},
		{"small letters", withRoot(`"notBefore": "2026-01-01t00:00:00z"`), "is not a time"},
		{"not UTC", withRoot(`"notBefore": "2026-01-01T00:00:00+02:00"`), "is not in UTC"},
		{"UTC otherwise", withRoot(`"notBefore": "2026-01-01T00:00:00+00:00"`), "is not in UTC"},
		{"the zero time", withRoot(`"notAfter": "0001-01-01T00:00:00Z"`), "notAfter: is not between the years"},
		{"a number", withRoot(`"notAfter": 1893456000`), `"/ledgers/0/roots/1/notAfter": is of the wrong type`},
		{"empty window", withRoot(`"notBefore": "2026-01-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"`), "notAfter: is not after notBefore"},
		{"window backwards", withRoot(`"notBefore": "2027-01-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"`), "notAfter: is not after notBefore"},
		{"last record 0", withRoot(`"lastRecord": 0`), `"/ledgers/0/roots/1": lastRecord: is 0`},
		{"last record -1", withRoot(`"lastRecord": -1`), `"/ledgers/0/roots/1/lastRecord": is of the wrong type`},
		{"last record 1.5", withRoot(`"lastRecord": 1.5`), `"/ledgers/0/roots/1/lastRecord": is of the wrong type`},
		{"last record as text", withRoot(`"lastRecord": "9"`), `"/ledgers/0/roots/1/lastRecord": is of the wrong type`},
		{"last record too large", withRoot(`"lastRecord": 18446744073709551616`), `"/ledgers/0/roots/1/lastRecord": is of the wrong type`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := trust.ParsePolicy([]byte(tt.data))
			if err == nil || p != nil || !strings.HasPrefix(err.Error(), "trust policy: ") || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v and error %v, want one that says %s", p, err, tt.says)
			}
			path := filepath.Join(t.TempDir(), "trust.json")
			if err := os.WriteFile(path, []byte(tt.data), 0o600); err != nil {
				t.Fatal(err)
			}
			if p, err := trust.LoadPolicy(path); err == nil || p != nil ||
				!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("LoadPolicy: got %v and error %v, want one that says %s", p, err, tt.says)
			}
		})
	}
}

// A policy that was cut off anywhere is no policy.
func TestPolicyTruncated(t *testing.T) {
	whole := []byte(strings.TrimSpace(policyFile))
	if _, err := trust.ParsePolicy(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if p, err := trust.ParsePolicy(whole[:n]); err == nil || p != nil {
			t.Errorf("%d of %d bytes: got %v, %v", n, len(whole), p, err)
		}
	}
}

func TestLoadPolicy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "trust.json")
	if _, err := trust.LoadPolicy(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing: got %v, want fs.ErrNotExist with the path", err)
	}
	if _, err := trust.LoadPolicy(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: got %v", err)
	}
	if _, err := trust.LoadPolicy("/dev/zero"); err == nil || !strings.Contains(err.Error(), "/dev/zero") {
		t.Errorf("a device: got %v", err)
	}
	if err := os.WriteFile(path, []byte(policyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link") // as in a mounted configuration
	if err := os.Symlink("trust.json", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, link} {
		if got, err := trust.LoadPolicy(path); err != nil || !reflect.DeepEqual(got, policyOf(t)) {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
	}
	full := policyFile + strings.Repeat(" ", 1<<20-len(policyFile))
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.LoadPolicy(path); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
}

func TestPolicyMarshalRefuses(t *testing.T) {
	key := public(testKey(1))
	for _, tt := range []struct {
		name   string
		policy trust.Policy
		says   string
	}{
		{"zero", trust.Policy{}, "names no ledger"},
		{"no key", policyWith("a", trust.Root{}), "not an Ed25519 key"},
		{"short key", policyWith("a", trust.Root{Key: key[:31]}), "not an Ed25519 key"},
		{"too early", policyWith("a", trust.Root{Key: key, NotBefore: policyDate(1969, 12, 31)}), "notBefore: is not between"},
		{"too late", policyWith("a", trust.Root{Key: key, NotAfter: policyDate(10000, 1, 1)}), "notAfter: is not between"},
		{"invalid UTF-8", policyWith("\xff", trust.Root{Key: key}), "not valid UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, err := tt.policy.Marshal()
			if err == nil || data != nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, %v, want an error that says %q", data, err, tt.says)
			}
		})
	}
	var large trust.Policy
	for i := range 10_000 {
		large.Ledgers = append(large.Ledgers, trust.Ledger{Origin: fmt.Sprint(i), Roots: []trust.Root{{Key: key}}})
	}
	if _, err := large.Marshal(); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v, want an error that it is too large", err)
	}
	// Any zone and any fraction of a second come back as they were.
	at := time.Date(2026, 3, 1, 12, 0, 0, 1, time.FixedZone("", 3600))
	p := policyWith("a", trust.Root{Key: key, NotBefore: at})
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := trust.ParsePolicy(data)
	if err != nil || !again.Ledgers[0].Roots[0].NotBefore.Equal(at) {
		t.Errorf("got %+v, %v, want %v", again, err, at)
	}
}

func policyWith(ledger string, r trust.Root) trust.Policy {
	return trust.Policy{Ledgers: []trust.Ledger{{Origin: ledger, Roots: []trust.Root{r}}}}
}

func TestPolicyValid(t *testing.T) {
	from, to := policyDate(2026, 1, 1), policyDate(2027, 1, 1)
	window := trust.Root{NotBefore: from, NotAfter: to, LastRecord: 10}
	for _, tt := range []struct {
		name   string
		root   trust.Root
		at     time.Time
		record uint64
		says   string // empty: is trusted
	}{
		{"no bounds", trust.Root{}, time.Time{}, 1 << 63, ""},
		{"at notBefore", window, from, 1, ""},
		{"just before notBefore", window, from.Add(-1), 1, "2025-12-31T23:59:59.999999999Z is before its notBefore 2026-01-01T00:00:00Z"},
		{"at notAfter", window, to, 1, ""},
		{"in another zone", window, to.In(time.FixedZone("", 7200)), 1, ""},
		{"just after notAfter", window, to.Add(1), 1, "2027-01-01T00:00:00.000000001Z is after its notAfter 2027-01-01T00:00:00Z"},
		{"at its last record", window, from, 10, ""},
		{"after its last record", window, from, 11, "record 11 is after its last record 10"},
		{"zero time", window, time.Time{}, 1, "is before its notBefore"},
		{"only an end", trust.Root{NotAfter: to}, time.Time{}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.root.Valid(tt.at, tt.record)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(policyFile))
	f.Add([]byte(policyFile[:200]))
	f.Add([]byte(`{"version":1,"ledgers":[{"ledger":"a","roots":[{"key":"` + policyKey1 + `"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := trust.ParsePolicy(b)
		if err != nil {
			if p != nil {
				t.Errorf("got %v with error %v", p, err)
			}
			return
		}
		data, err := p.Marshal()
		if err != nil {
			return // with white space it may be longer than 1 MiB
		}
		again, err := trust.ParsePolicy(data)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%v: got %+v\nof\n%s\nwant %+v", err, again, data, p)
		}
		for _, l := range p.Ledgers {
			for _, r := range l.Roots {
				if len(r.Key) != ed25519.PublicKeySize || bytes.Contains([]byte(l.Origin), []byte(" ")) {
					t.Errorf("accepted %+v", l)
				}
			}
		}
	})
}

// A policy is kept where the agent cannot change it. What is wrong with one is
// said with its place.
func ExampleParsePolicy() {
	policy, err := trust.ParsePolicy([]byte(`{
	  "version": 1,
	  "ledgers": [
	    {"ledger": "prod-agent", "roots": [
	      {"key": "MCowBQYDK2VwAyEAzswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71Pw=", "notAfter": "2027-01-01T00:00:00Z"}
	    ]}
	  ]
	}`))
	if err != nil {
		panic(err)
	}
	for _, root := range policy.Ledgers[0].Roots {
		fmt.Println(record.KeyID(root.Key)[:16], "until", root.NotAfter)
	}
	_, err = trust.ParsePolicy([]byte(`{"version": 1, "ledgers": [{"ledger": "prod-agent", "roots": []}]}`))
	fmt.Println(err)
	// Output:
	// 6b7b147fed43f676 until 2027-01-01 00:00:00 +0000 UTC
	// trust policy: "/ledgers/0": roots: there are none
}

func ExamplePolicy_Marshal() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	policy := trust.Policy{Ledgers: []trust.Ledger{{
		Origin: "prod-agent",
		Roots:  []trust.Root{{Key: key.Public().(ed25519.PublicKey), LastRecord: 41200}},
	}}}
	data, err := policy.Marshal()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s", data)
	// Output:
	// {
	//   "version": 1,
	//   "ledgers": [
	//     {
	//       "ledger": "prod-agent",
	//       "roots": [
	//         {
	//           "key": "MCowBQYDK2VwAyEAO2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
	//           "lastRecord": 41200
	//         }
	//       ]
	//     }
	//   ]
	// }
}
