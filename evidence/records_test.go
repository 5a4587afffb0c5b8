package evidence_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// wildText is any string, valid or not.
func wildText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "bytes"))
	}))
}

// Whatever calls look like, their records are canonical, small and read back.
func TestRecordsAreCanonical(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"x"}})
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		text, small := wildText(), rapid.IntRange(0, 3)
		calls := func() (c []middleware.ToolCall) {
			for range small.Draw(t, "calls") {
				c = append(c, middleware.ToolCall{Name: text.Draw(t, "name"), Input: text.Draw(t, "input"), Registered: text.Draw(t, "registered")})
			}
			return c
		}
		req := &middleware.ModelRequest{
			Model: text.Draw(t, "model"), MaxTokens: rapid.Int().Draw(t, "max"), Temperature: rapid.Float64().Draw(t, "temperature"),
			Tools: rapid.SliceOfN(text, 0, 3).Draw(t, "tools"),
		}
		for range small.Draw(t, "messages") {
			req.Messages = append(req.Messages,
				middleware.Message{Role: text.Draw(t, "role"), Parts: []middleware.Part{{Text: text.Draw(t, "text")}, {Size: 3}}})
		}
		steps := []struct {
			kind    middleware.Kind
			in, out any
		}{
			{middleware.KindModel, req, &middleware.ModelResponse{Model: text.Draw(t, "answered"), Choices: []middleware.Choice{
				{Text: text.Draw(t, "answer"), StopReason: text.Draw(t, "stop"), ToolCalls: calls()}}}},
			{middleware.KindPlan,
				&middleware.PlanRequest{Inputs: map[string]string{text.Draw(t, "k"): text.Draw(t, "v")},
					Steps: []middleware.Step{{Observation: text.Draw(t, "o")}}},
				&middleware.Plan{ToolCalls: calls(), Final: map[string]any{text.Draw(t, "f"): text.Draw(t, "v")}}},
			{middleware.KindChain, map[string]any{text.Draw(t, "k"): text.Draw(t, "v"), "n": rapid.Float64().Draw(t, "n")}, nil},
			{middleware.KindTool, text.Draw(t, "in"), middleware.Observation(text.Draw(t, "out"))},
			{middleware.KindRetriever, text.Draw(t, "query"), []any{func() {}}},
		}
		usage := &middleware.Usage{InputTokens: rapid.Int64().Draw(t, "in"), TotalTokens: rapid.Int64().Draw(t, "total"), Cost: rapid.Int64().Draw(t, "cost")}
		reason, gate, code := text.Draw(t, "reason"), text.Draw(t, "gate"), text.Draw(t, "code")
		id := middleware.Identity{Session: text.Draw(t, "session"), Subject: text.Draw(t, "subject"), Tenant: text.Draw(t, "tenant")}
		for _, s := range steps {
			h := middleware.Wrap(func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
				middleware.Note(ctx, middleware.Decision{Gate: gate, Code: middleware.Code(code), Reason: reason})
				middleware.RunOf(ctx).Attach(&meter{})
				return middleware.Result{Output: s.out, Usage: usage}, nil
			}, r.Intercept)
			c := middleware.Call{Kind: s.kind, Name: text.Draw(t, "name"), Input: s.in}
			if s.kind == middleware.KindTool {
				c.Name = "x"
			}
			if _, err := h(middleware.WithIdentity(context.Background(), id), c); err != nil {
				t.Fatal(err)
			}
			seen++
		}
	})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	n := 0
	for _, e := range ledgertest.Entries(t, dir) {
		payload := ledgertest.DecodePayload(t, e.Envelope)
		canonical := jsontext.Value(bytes.Clone(payload))
		if err := canonical.Canonicalize(); err != nil || !bytes.Equal(canonical, payload) {
			t.Fatalf("not canonical (%v):\n%s\nwant\n%s", err, payload, canonical)
		}
		if len(payload) > record.MaxPayload || !utf8.Valid(payload) {
			t.Fatalf("payload of %d bytes, valid UTF-8: %v", len(payload), utf8.Valid(payload))
		}
		n++
	}
	if n != 1+4*seen {
		t.Errorf("got %d records, want %d", n, 1+4*seen)
	}
}

// encoding/json reads and writes a record as the ledger has it, except that it
// escapes for HTML.
func TestRecordWithEncodingJSON(t *testing.T) {
	dir := ledgertest.Dir(t)
	for _, env := range writeLedger(t, dir, evidence.Config{}) {
		var st struct{ Predicate json.RawMessage }
		if err := json.Unmarshal(ledgertest.DecodePayload(t, env), &st); err != nil {
			t.Fatal(err)
		}
		var r record.Record
		if err := json.Unmarshal(st.Predicate, &r); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(&r); err != nil || !bytes.Equal(again, st.Predicate) {
			t.Errorf("got\n%s, %v\nwant\n%s", again, err, st.Predicate)
		}
	}
}

// A record that would be too long loses the ends of its lists, and says so.
func TestLongRecord(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	req := &middleware.ModelRequest{}
	for range 5000 {
		req.Messages = append(req.Messages, middleware.Message{Role: strings.Repeat("\x01", 300), Parts: []middleware.Part{{Text: "hi"}}})
		req.Tools = append(req.Tools, strings.Repeat("t", 300))
	}
	if _, err := call(t, r, middleware.Call{Kind: middleware.KindModel, Name: strings.Repeat("\x01", 9999), Input: req},
		func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			for range 5000 {
				middleware.Note(ctx, middleware.Decision{Gate: strings.Repeat("g", 300), Reason: strings.Repeat("\x02", 3000)})
			}
			res := &middleware.ModelResponse{}
			for range 300 {
				c := middleware.Choice{StopReason: strings.Repeat("s", 300)}
				for range 300 {
					c.ToolCalls = append(c.ToolCalls, middleware.ToolCall{Name: strings.Repeat("n", 300)})
				}
				res.Choices = append(res.Choices, c)
			}
			return middleware.Result{Output: res}, nil
		}); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
	all := ledgertest.Entries(t, dir)
	in, out := all[2].Record, all[3].Record
	if got := len(in.Request.Messages) + len(in.Request.Tools) + in.Omitted; got != 10000 || got == in.Omitted {
		t.Errorf("intent: got %d messages and tools, %d omitted, want 10000 together", got-in.Omitted, in.Omitted)
	}
	if len(out.Decisions) == 0 || len(out.Decisions)+out.Omitted != 5000+300 {
		t.Errorf("outcome: got %d decisions, %d omitted", len(out.Decisions), out.Omitted)
	}
	if n := len(in.Call.Name); n > 256 || !strings.HasSuffix(in.Call.Name, "…") {
		t.Errorf("got a name of %d bytes", n)
	}
}

// A dsseKey is a key as another implementation of DSSE sees it.
type dsseKey struct{ pub ed25519.PublicKey }

func (k dsseKey) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(k.pub, data, sig) {
		return errors.New("bad signature")
	}
	return nil
}
func (k dsseKey) KeyID() (string, error)   { return record.KeyID(k.pub), nil }
func (k dsseKey) Public() crypto.PublicKey { return k.pub }

// An implementation that is not ours verifies every record, and refuses what was
// tampered with.
func TestDSSEOfOthers(t *testing.T) {
	envs := writeLedger(t, ledgertest.Dir(t), evidence.Config{})
	check := func(env []byte, key ed25519.PublicKey) error {
		v, err := dsse.NewEnvelopeVerifier(dsseKey{key})
		if err != nil {
			t.Fatal(err)
		}
		var e dsse.Envelope
		if err := json.Unmarshal(env, &e); err != nil {
			return err
		}
		if e.PayloadType != "application/vnd.in-toto+json" {
			return errors.New("payload type " + e.PayloadType)
		}
		_, payload, err := v.VerifyAndDecode(t.Context(), &e)
		if err != nil {
			return err
		}
		if !bytes.Equal(dsse.PAE(e.PayloadType, payload), record.AppendPAE(nil, payload)) {
			return errors.New("another PAE")
		}
		return nil
	}
	session := sessionKey(t, envs[0])
	for i, env := range envs {
		key := session
		if i == 0 {
			key = ledgertest.Public(ledgertest.Key(1))
		}
		if err := check(env, key); err != nil {
			t.Errorf("record %d: %v", i+1, err)
		}
		if check(env, ledgertest.Public(ledgertest.Key(2))) == nil {
			t.Errorf("record %d verifies with another key", i+1)
		}
	}
	for name, env := range map[string][]byte{
		"edited":       ledgertest.Edit(t, envs[8], `"deny"`, `"okay"`),
		"stripped":     ledgertest.Strip(envs[8]),
		"another type": bytes.Replace(envs[8], []byte("vnd.in-toto+json"), []byte("vnd.in-toto+jsom"), 1),
	} {
		if check(env, session) == nil {
			t.Errorf("%s: verifies", name)
		}
	}
}

// What a record says of a content cannot be guessed, and is opened by
// its disclosure only.
func TestCommitments(t *testing.T) {
	dir := ledgertest.Dir(t)
	opens := make(map[string]record.Disclosure)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Disclose: func(d record.Disclosure) { opens[d.Commitment()] = d }})
	for range 50 {
		c := shell
		c.Input = "yes"
		if _, err := call(t, r, c, say("no\xff")); err != nil {
			t.Fatal(err)
		}
	}
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
	seen := make(map[string]bool)
	for _, e := range ledgertest.Entries(t, dir) {
		for name, c := range map[string]*record.Content{record.ContentInput: e.Record.Input, record.ContentOutput: e.Record.Output} {
			if c == nil {
				continue
			}
			if seen[c.Commitment] {
				t.Error("the same content has the same commitment twice")
			}
			seen[c.Commitment] = true
			d, ok := opens[c.Commitment]
			if !ok || d.Record != e.Record.ID {
				t.Fatalf("no disclosure opens %s of record %s", c.Commitment, e.Record.ID)
			}
			want := `"yes"`
			if name == record.ContentOutput {
				want = `{"base64":"` + base64.StdEncoding.EncodeToString([]byte("no\xff")) + `"}`
			}
			if n, v, err := d.Open(); err != nil || n != name || string(v) != want || c.Size != 3 {
				t.Errorf("got %s %s, %v, size %d, want %s %s", n, v, err, c.Size, name, want)
			}
			// As SD-JWT (RFC 9901, section 4.2.3) has it.
			sum := sha256.Sum256([]byte(d.Encoded))
			if got := base64.RawURLEncoding.EncodeToString(sum[:]); got != c.Commitment {
				t.Errorf("got digest %s, want %s", got, c.Commitment)
			}
			var parts []any
			data, _ := base64.RawURLEncoding.DecodeString(d.Encoded)
			if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 3 {
				t.Fatalf("got %s, %v", data, err)
			}
			if salt, err := base64.RawURLEncoding.DecodeString(parts[0].(string)); err != nil || len(salt) != 16 {
				t.Errorf("got a salt of %d bytes, %v", len(salt), err)
			}
		}
	}
	if len(seen) != 100 || len(opens) != 100 {
		t.Errorf("got %d commitments and %d disclosures, want 100", len(seen), len(opens))
	}
	for _, bad := range []string{"", "!", "eA", base64.RawURLEncoding.EncodeToString([]byte(`["a","b"]`)),
		base64.RawURLEncoding.EncodeToString([]byte(`["a",1,2]`))} {
		if _, _, err := (record.Disclosure{Encoded: bad}).Open(); err == nil {
			t.Errorf("Open(%q): got no error", bad)
		}
	}
}

// What opens a commitment may panic without harm.
func TestDisclosePanics(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Disclose: func(record.Disclosure) { panic("full") }})
	if _, err := call(t, r, shell, say("ok")); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
}
