package evidence_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
)

// TestKeysAreNotShown looks for the keys in all that is printed or logged.
func TestKeysAreNotShown(t *testing.T) {
	key, payloadKey := ledgertest.Key(1), []byte("thirty-two bytes nobody may read")
	payloads := evidence.Payloads{Key: func() []byte { return payloadKey }, MaxContent: 10}
	cfg := evidence.Config{Key: key, Ledger: "prod", Payloads: &payloads}
	var said bytes.Buffer
	text, lines := slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))
	for _, v := range []any{cfg, &cfg, payloads, &payloads, struct{ C evidence.Config }{cfg}, struct{ p evidence.Payloads }{payloads},
		&struct{ p *evidence.Payloads }{&payloads}} {
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s %q\n", v, v, v, v, v)
		text.Info("x", "v", v)
		lines.Info("x", "v", v)
	}
	b, err := json.Marshal(payloads)
	if err != nil {
		t.Fatal(err)
	}
	said.Write(b)
	for _, secret := range [][]byte{key.Seed(), payloadKey} {
		for _, shown := range []string{
			string(secret), strings.Trim(fmt.Sprintf("%d", secret), "[]"), fmt.Sprintf("%#v", secret[:8])[len("[]byte{") : len("[]byte{")+20],
			base64.StdEncoding.EncodeToString(secret)[:40],
		} {
			if strings.Contains(said.String(), shown) {
				t.Errorf("a key is shown as %q by\n%s", shown, said.String())
			}
		}
	}
	if got, want := cfg.String(), `evidence.Config of ledger "prod"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := payloads.String(), "evidence.Payloads of 0 bytes, 10 each"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
