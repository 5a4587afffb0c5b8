package aitracer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence/record"
)

// take has sinks of both forms take an envelope: what they make of it the vendor
// accepts, or nothing is made of it.
func take(t *testing.T, envelope []byte) {
	for _, cfg := range []aitracer.SinkConfig{{Content: tell}, {Content: tell, OTLP: true}} {
		v := new(vendor)
		c, err := aitracer.New(aitracer.Config{BaseURL: origin, Key: bear(key), Redact: redact, Transport: wire{v}})
		if err != nil {
			t.Fatal(err)
		}
		err = aitracer.NewSink(c, cfg).Take(t.Context(), [][]byte{envelope})
		if len(v.taken()) != v.requests() {
			t.Errorf("the vendor refused what was made of %q: %v", envelope, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, e := range run(f) {
		f.Add(e)
	}
	golden, err := os.ReadFile("../../evidence/testdata/envelope.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Fuzz(func(t *testing.T, envelope []byte) { take(t, envelope) })
}

func FuzzPayload(f *testing.F) {
	type dsse struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
	}
	for _, e := range run(f) {
		var d dsse
		if err := json.Unmarshal(e, &d); err != nil {
			f.Fatal(err)
		}
		f.Add(d.Payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		envelope, err := json.Marshal(dsse{payload, record.PayloadType})
		if err != nil {
			t.Fatal(err)
		}
		take(t, envelope)
	})
}

// FuzzWebhook has a webhook let through if and only if its headers are those that
// the holder of the secret would write.
func FuzzWebhook(f *testing.F) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	f.Add(now, signature(now, alert), alert)
	f.Add("+"+now, signature("+"+now, alert), alert)
	f.Add("0"+now, signature("0"+now, alert), alert)
	f.Add(now, strings.ToUpper(signature(now, alert)), alert)
	f.Add(now, signature(now, alert)+" ", alert)
	f.Add(now[:9], signature(now, alert), now[9:]+"."+alert)
	f.Add("-1", "v1=", "")
	f.Fuzz(func(t *testing.T, timestamp, text, body string) {
		h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret), Tolerance: 24 * time.Hour}, new(inbox))
		r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
		r.Header["X-Aitracer-Delivery-Timestamp"] = []string{timestamp}
		r.Header["X-Aitracer-Signature"] = []string{text}
		at, err := strconv.ParseInt(timestamp, 10, 64)
		age := time.Since(time.Unix(at, 0)).Abs()
		right := err == nil && timestamp == strconv.FormatInt(at, 10) && age <= 24*time.Hour && text == signature(timestamp, body) && len(body) <= 1<<20
		if got := deliver(h, r); (got == http.StatusNoContent) != right {
			t.Errorf("timestamp %q, signature %q, body %q: got status %d", timestamp, text, body, got)
		}
	})
}

func FuzzRejectedSpans(f *testing.F) {
	f.Add([]byte(`{"partialSuccess":{"rejectedSpans":"2"}}`))
	f.Add([]byte(`{"partialSuccess":{"rejectedSpans":"-2"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if n := aitracer.RejectedSpans(answer); n > 0 && !json.Valid(answer) {
			t.Errorf("%q: got %d", answer, n)
		}
	})
}
