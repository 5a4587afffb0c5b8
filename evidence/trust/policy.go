package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxPolicy bounds what is read of a policy, in bytes.
const maxPolicy = 1 << 20

// policyVersion is the version of the format of policies.
const policyVersion = 1

// A Policy says which root keys a verifier trusts, for which ledger, and
// from when to when. It comes from anywhere but the ledger: whoever can change
// it decides what verifies. As a file it looks like this:
//
//	{
//	  "version": 1,
//	  "ledgers": [
//	    {
//	      "ledger": "prod-agent",
//	      "roots": [
//	        {
//	          "key": "MCowBQYDK2VwAyEAzswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71Pw=",
//	          "notBefore": "2026-01-01T00:00:00Z",
//	          "notAfter": "2027-01-01T00:00:00Z"
//	        },
//	        {
//	          "key": "MCowBQYDK2VwAyEAa3nFfmoJUjkoLASBjpYRLz8DpAAbqXpWTCOFKj8epfw=",
//	          "notBefore": "2026-12-01T00:00:00Z",
//	          "lastRecord": 41200
//	        }
//	      ]
//	    }
//	  ]
//	}
//
// Here key is what stands between BEGIN and END in the .pub file that
// [WriteKey] writes: the PKIX form of the key in base64. Times are RFC 3339 in
// UTC. The members notBefore, notAfter and lastRecord may be left out, and
// nothing else may: what is left out does not bound.
//
// A Policy is not changed by its methods, and is safe for concurrent use
// as long as nobody else changes it.
type Policy struct {
	Ledgers []Ledger // at least one
}

// A Ledger says which root keys are trusted for one ledger.
type Ledger struct {
	Origin string // as in [record.Record.Ledger]; not empty, no two the same
	Roots  []Root // at least one, no two with the same key
}

// A Root is a trusted public key and the bounds of that trust. Both times are
// within it.
type Root struct {
	Key       ed25519.PublicKey
	NotBefore time.Time // if zero, from ever
	NotAfter  time.Time // if zero, for ever; else after NotBefore

	// LastRecord revokes the key: it is trusted only for the first so many
	// records of the ledger. If it is zero, it is not revoked. A key that is
	// not to be trusted for any record does not belong in the policy.
	LastRecord uint64
}

// LoadPolicy reads a [Policy] from a regular file, or a symbolic link
// to one. Errors are as for [ParsePolicy] and name the file; that of a
// missing file wraps fs.ErrNotExist.
func LoadPolicy(path string) (*Policy, error) {
	p, err := loadPolicy(path)
	if err != nil {
		return nil, fmt.Errorf("trust policy %s: %w", path, err)
	}
	return p, nil
}

func loadPolicy(path string) (*Policy, error) {
	f, _, err := osfile.OpenRegular(path, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err != nil {
		return nil, osfile.WithoutPath(err)
	}
	return parsePolicy(data)
}

// ParsePolicy reads a [Policy] of at most 1 MiB. It takes strict JSON
// only: no member that it does not know, none twice, no null, nothing after the
// end. Errors say what is wrong and, as a JSON Pointer (RFC 6901), where: that
// of the second key of the first ledger is "/ledgers/0/roots/1".
func ParsePolicy(data []byte) (*Policy, error) {
	p, err := parsePolicy(data)
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return p, nil
}

// Marshal returns the policy as [ParsePolicy] reads it. It fails where that
// would, with the same errors.
func (p *Policy) Marshal() ([]byte, error) {
	data, err := p.marshal()
	if err != nil {
		return nil, fmt.Errorf("trust policy: %w", err)
	}
	return data, nil
}

func (p *Policy) marshal() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	out := policyJSON{Version: policyVersion}
	for _, l := range p.Ledgers {
		entry := ledgerJSON{Ledger: l.Origin}
		for _, r := range l.Roots {
			root := rootJSON{
				Key:       base64.StdEncoding.EncodeToString(record.MarshalKey(r.Key)),
				NotBefore: formatTime(r.NotBefore),
				NotAfter:  formatTime(r.NotAfter),
			}
			if r.LastRecord != 0 {
				root.LastRecord = &r.LastRecord
			}
			entry.Roots = append(entry.Roots, root)
		}
		out.Ledgers = append(out.Ledgers, entry)
	}
	data, err := json.Marshal(out, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	if data = append(data, '\n'); len(data) > maxPolicy {
		return nil, errTooLarge
	}
	return data, nil
}

// Roots returns the roots that are trusted for the ledger of an origin, at least one.
// It checks them, since a policy need not have been parsed. The error reads on from
// what was to be done.
func (p *Policy) Roots(origin string) ([]Root, error) {
	for i, l := range p.Ledgers {
		if l.Origin != origin {
			continue
		}
		for k, r := range l.Roots {
			if err := r.check(); err != nil {
				return nil, fmt.Errorf("the policy: %q: %w", rootPath(i, k), err)
			}
		}
		if len(l.Roots) > 0 {
			return l.Roots, nil
		}
	}
	return nil, fmt.Errorf("the policy does not name %q", record.Brief(origin))
}

// Valid returns why the root is not trusted at that time for that record of the
// ledger, counted from 1, or nil if it is.
func (r Root) Valid(at time.Time, record uint64) error {
	switch {
	case !r.NotBefore.IsZero() && at.Before(r.NotBefore):
		return fmt.Errorf("%s is before its notBefore %s", rfc3339(at), rfc3339(r.NotBefore))
	case !r.NotAfter.IsZero() && at.After(r.NotAfter):
		return fmt.Errorf("%s is after its notAfter %s", rfc3339(at), rfc3339(r.NotAfter))
	case r.LastRecord != 0 && record > r.LastRecord:
		return fmt.Errorf("record %d is after its last record %d", record, r.LastRecord)
	}
	return nil
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// The JSON of a trust policy. What may be left out is a pointer: to leave a
// bound out and to give the one that is zero are not the same.
type (
	policyJSON struct {
		Version uint64       `json:"version"`
		Ledgers []ledgerJSON `json:"ledgers"`
	}
	ledgerJSON struct {
		Ledger string     `json:"ledger"`
		Roots  []rootJSON `json:"roots"`
	}
	rootJSON struct {
		Key        string  `json:"key"`
		NotBefore  *string `json:"notBefore,omitzero"`
		NotAfter   *string `json:"notAfter,omitzero"`
		LastRecord *uint64 `json:"lastRecord,omitzero"`
	}
)

var errTooLarge = errors.New("is larger than 1 MiB")

func parsePolicy(data []byte) (*Policy, error) {
	switch {
	case len(data) > maxPolicy:
		return nil, errTooLarge
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("is empty")
	case bytes.HasPrefix(data, []byte("\ufeff")):
		return nil, errors.New("begins with a byte order mark")
	}
	var in policyJSON
	if err := json.Unmarshal(data, &in, json.RejectUnknownMembers(true)); err != nil {
		return nil, syntaxError(err)
	}
	if err := refuseNull(data); err != nil {
		return nil, err
	}
	if in.Version != policyVersion {
		return nil, fmt.Errorf("%q: version %d is not known, only %d", "/version", in.Version, policyVersion)
	}
	p := &Policy{}
	for i, l := range in.Ledgers {
		entry := Ledger{Origin: l.Ledger}
		for k, r := range l.Roots {
			root, err := r.root()
			if err != nil {
				return nil, fmt.Errorf("%q: %w", rootPath(i, k), err)
			}
			entry.Roots = append(entry.Roots, root)
		}
		p.Ledgers = append(p.Ledgers, entry)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// refuseNull returns an error if there is a null in data, which is valid JSON.
// Decoding takes it for a member that was left out: a bound that is null by
// accident would not bound.
func refuseNull(data []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntaxError(err)
		}
		if token.Kind() == 'n' {
			return fmt.Errorf("%q: is null", record.Brief(string(dec.StackPointer())))
		}
	}
}

func rootPath(ledger, root int) string { return fmt.Sprintf("/ledgers/%d/roots/%d", ledger, root) }

// syntaxError says in words of its own what the decoder found: the decoder's
// speak of Go types.
func syntaxError(err error) error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntactic) && errors.Is(syntactic.Err, io.ErrUnexpectedEOF):
		return errors.New("is cut off: the JSON does not end")
	case errors.As(err, &syntactic) && errors.Is(syntactic.Err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%q: stands there twice", record.Brief(string(syntactic.JSONPointer)))
	case errors.As(err, &syntactic):
		return fmt.Errorf("is not JSON: offset %d: %w", syntactic.ByteOffset, syntactic.Err)
	case errors.As(err, &semantic) && errors.Is(semantic.Err, json.ErrUnknownName):
		return fmt.Errorf("%q: is not a member of the format", record.Brief(string(semantic.JSONPointer)))
	case errors.As(err, &semantic):
		return fmt.Errorf("%q: is of the wrong type or out of range", record.Brief(string(semantic.JSONPointer)))
	}
	return err
}

func (r *rootJSON) root() (_ Root, err error) {
	var out Root
	if out.Key, err = parsePolicyKey(r.Key); err != nil {
		return Root{}, fmt.Errorf("key: %w", err)
	}
	if out.NotBefore, err = parseTime(r.NotBefore); err != nil {
		return Root{}, fmt.Errorf("notBefore: %w", err)
	}
	if out.NotAfter, err = parseTime(r.NotAfter); err != nil {
		return Root{}, fmt.Errorf("notAfter: %w", err)
	}
	if r.LastRecord != nil {
		if out.LastRecord = *r.LastRecord; out.LastRecord == 0 {
			return Root{}, errors.New("lastRecord: is 0: leave out a key that is trusted for no record")
		}
	}
	return out, nil
}

// parsePolicyKey takes the one spelling that keys are written in.
func parsePolicyKey(s string) (ed25519.PublicKey, error) {
	if s == "" {
		return nil, errors.New("is missing or empty")
	}
	if strings.Contains(s, "-----") {
		return nil, errors.New("is in PEM: only the line between BEGIN and END belongs there")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("is not in base64")
	}
	pub, err := record.ParseKey(der)
	if err != nil {
		return nil, err
	}
	if base64.StdEncoding.EncodeToString(record.MarshalKey(pub)) != s {
		return nil, errors.New("is not spelled as in a key file")
	}
	return pub, nil
}

// parseTime returns the zero time for what is left out, and only for that.
func parseTime(s *string) (t time.Time, err error) {
	if s == nil {
		return time.Time{}, nil
	}
	t, err = time.Parse(time.RFC3339, *s)
	// Parse is lenient about the hour's digits and the decimal sign.
	if err != nil || !strings.HasPrefix(*s, t.Format("2006-01-02T15:04:05")) || strings.Contains(*s, ",") {
		return time.Time{}, fmt.Errorf("%q is not a time in RFC 3339", record.Brief(*s))
	}
	if !strings.HasSuffix(*s, "Z") {
		return time.Time{}, fmt.Errorf("%q is not in UTC: it must end in Z", record.Brief(*s))
	}
	if !validTime(t) { // the zero time would not bound
		return time.Time{}, errTime
	}
	return t, nil
}

func formatTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(rfc3339(t))
}

var errTime = errors.New("is not between the years 1970 and 9999")

func validTime(t time.Time) bool { y := t.UTC().Year(); return y >= 1970 && y <= 9999 }

// check checks what the types do not say.
func (p *Policy) check() error {
	if len(p.Ledgers) == 0 {
		return errors.New("names no ledger")
	}
	ledgers := make(map[string]int, len(p.Ledgers))
	for i, l := range p.Ledgers {
		at := fmt.Sprintf("/ledgers/%d", i)
		switch first, twice := ledgers[l.Origin]; {
		case l.Origin == "":
			return fmt.Errorf("%q: ledger: is missing or empty", at)
		case record.CheckOrigin(l.Origin) != nil:
			return fmt.Errorf("%q: ledger: is too long, not valid UTF-8, or holds white space, a control character or a plus sign", at)
		case twice:
			return fmt.Errorf("%q: ledger: is that of /ledgers/%d", at, first)
		case len(l.Roots) == 0:
			return fmt.Errorf("%q: roots: there are none", at)
		}
		ledgers[l.Origin] = i
		keys := make(map[string]int, len(l.Roots))
		for k, r := range l.Roots {
			if err := r.check(); err != nil {
				return fmt.Errorf("%q: %w", rootPath(i, k), err)
			}
			if first, twice := keys[string(r.Key)]; twice {
				return fmt.Errorf("%q: key: is that of %s", rootPath(i, k), rootPath(i, first))
			}
			keys[string(r.Key)] = k
		}
	}
	return nil
}

func (r *Root) check() error {
	switch {
	case len(r.Key) != ed25519.PublicKeySize:
		return errors.New("key: is not an Ed25519 key")
	case !r.NotBefore.IsZero() && !validTime(r.NotBefore):
		return fmt.Errorf("notBefore: %w", errTime)
	case !r.NotAfter.IsZero() && !validTime(r.NotAfter):
		return fmt.Errorf("notAfter: %w", errTime)
	case !r.NotAfter.IsZero() && !r.NotAfter.After(r.NotBefore):
		return errors.New("notAfter: is not after notBefore")
	}
	return nil
}
