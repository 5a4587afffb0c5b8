package aitracer_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
)

var (
	secret = []byte("a secret that both sides have")
	second = []byte("the one that takes its place")
)

const alert = `{"alert":"the budget is spent"}`

// signed returns a webhook that was signed now.
func signed(t *testing.T, secret []byte, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/ingest/webhooks", strings.NewReader(body))
	if err := aitracer.Sign(r, secret); err != nil {
		t.Fatal(err)
	}
	return r
}

// signedAt returns a webhook that somebody signed whose clock says so.
func signedAt(at time.Time, body string) *http.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
	r.Header.Set(aitracer.HeaderTimestamp, timestamp)
	r.Header.Set(aitracer.HeaderSignature, signature(timestamp, body))
	return r
}

// signature makes what the header has to be.
func signature(timestamp, body string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "." + body))
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// again returns the same webhook, to be sent once more.
func again(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	c := r.Clone(r.Context())
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	c.Body = body
	return c
}

// deliver returns the status of the answer.
func deliver(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// inbox keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	bodies []string
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength != int64(len(body)) {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	b.mu.Lock()
	b.bodies = append(b.bodies, string(body))
	b.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func TestSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := signed(t, secret, alert)
		const timestamp = "946684800" // when fake time begins
		if got := r.Header.Get("X-AITracer-Delivery-Timestamp"); got != timestamp {
			t.Errorf("got timestamp %q, want %q", got, timestamp)
		}
		if got, want := r.Header.Get("X-AITracer-Signature"), signature(timestamp, alert); got != want {
			t.Errorf("got signature %q, want %q", got, want)
		}
		for range 2 { // as it is, and for another attempt
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != alert || r.ContentLength != int64(len(alert)) {
				t.Errorf("got body %q, length %d and error %v", body, r.ContentLength, err)
			}
			if r.Body, err = r.GetBody(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestSignFails(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(errors.New("lost")))
	if err := aitracer.Sign(r, secret); err == nil || err.Error() != "aitracer: sign: the body of the request: lost" {
		t.Errorf("got error %v", err)
	}
	r = httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, 10<<20+1)))
	if err := aitracer.Sign(r, secret); err == nil || err.Error() != "aitracer: sign: the body of the request: larger than 10485760 bytes" {
		t.Errorf("got error %v", err)
	}
	wantPanic(t, "aitracer: Sign: empty secret", func() { _ = aitracer.Sign(r, nil) })
}

func TestVerify(t *testing.T) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	right := signature(now, alert)
	for _, tt := range []struct {
		name       string
		timestamps []string
		signatures []string
		body       string
		want       int
	}{
		{"right", []string{now}, []string{right}, alert, 204},
		{"empty body", []string{now}, []string{signature(now, "")}, "", 204},
		{"largest body", []string{now}, []string{signature(now, strings.Repeat("x", 100))}, strings.Repeat("x", 100), 204},
		{"larger body", []string{now}, []string{signature(now, strings.Repeat("x", 101))}, strings.Repeat("x", 101), 413},
		{"another body", []string{now}, []string{right}, alert + " ", 401},
		{"another signature", []string{now}, []string{"v1=" + strings.Repeat("0", 64)}, alert, 401},
		{"by a stranger", []string{now}, []string{func() string {
			mac := hmac.New(sha256.New, []byte("?"))
			mac.Write([]byte(now + "." + alert))
			return "v1=" + hex.EncodeToString(mac.Sum(nil))
		}()}, alert, 401},
		{"of the body alone", []string{now}, []string{func() string {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(alert))
			return "v1=" + hex.EncodeToString(mac.Sum(nil))
		}()}, alert, 401},
		{"a part of the timestamp moved to the body", []string{now[:9]}, []string{right}, now[9:] + "." + alert, 401},
		{"no timestamp", nil, []string{right}, alert, 400},
		{"no signature", []string{now}, nil, alert, 400},
		{"two timestamps", []string{now, now}, []string{right}, alert, 400},
		{"two signatures", []string{now}, []string{right, right}, alert, 400},
		{"signed zero", []string{"+" + now}, []string{right}, alert, 400},
		{"leading zero", []string{"0" + now}, []string{signature("0"+now, alert)}, alert, 400},
		{"spaces", []string{" " + now}, []string{right}, alert, 400},
		{"negative", []string{"-1"}, []string{signature("-1", alert)}, alert, 400},
		{"milliseconds", []string{now + "000"}, []string{signature(now+"000", alert)}, alert, 400},
		{"huge", []string{strings.Repeat("9", 40)}, []string{right}, alert, 400},
		{"a date", []string{time.Now().Format(time.RFC3339)}, []string{right}, alert, 400},
		{"upper case", []string{now}, []string{"v1=" + strings.ToUpper(right[3:])}, alert, 400},
		{"another version", []string{now}, []string{"v2=" + right[3:]}, alert, 400},
		{"no version", []string{now}, []string{right[3:]}, alert, 400},
		{"short", []string{now}, []string{right[:66]}, alert, 400},
		{"long", []string{now}, []string{right + "0"}, alert, 400},
		{"a list", []string{now}, []string{right + "," + right}, alert, 400},
		{"no hexadecimal digits", []string{now}, []string{"v1=" + strings.Repeat("g", 64)}, alert, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in inbox
			h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret), MaxBody: 100, Tolerance: time.Hour}, &in)
			r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(tt.body))
			r.Header["X-Aitracer-Delivery-Timestamp"] = tt.timestamps
			r.Header["X-Aitracer-Signature"] = tt.signatures
			if got := deliver(h, r); got != tt.want {
				t.Errorf("got status %d, want %d", got, tt.want)
			}
			if passed := len(in.bodies) == 1 && in.bodies[0] == tt.body; passed != (tt.want == 204) || len(in.bodies) > 1 {
				t.Errorf("got %q passed on", in.bodies)
			}
		})
	}
}

func TestVerifyAgainstTime(t *testing.T) {
	for _, tt := range []struct {
		name       string
		sent, come time.Duration // from the start
		want       int
	}{
		{"at once", 0, 0, 204},
		{"within the tolerance", 0, 5 * time.Minute, 204},
		{"stale", 0, 5*time.Minute + 1, 401},
		{"stale for days", 0, 100 * time.Hour, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, new(inbox))
				r := signed(t, secret, alert)
				time.Sleep(tt.come)
				if got := deliver(h, r); got != tt.want {
					t.Errorf("got status %d, want %d", got, tt.want)
				}
			})
		})
	}
	for ahead, want := range map[time.Duration]int{5 * time.Minute: 204, 5*time.Minute + time.Second: 401, 1000 * time.Hour: 401} {
		synctest.Test(t, func(t *testing.T) {
			h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, new(inbox))
			r := signedAt(time.Now().Add(ahead), alert)
			if got := deliver(h, r); got != want {
				t.Errorf("%v ahead: got status %d, want %d", ahead, got, want)
			}
		})
	}
}

// TestVerifyABodyThatComesLate has the header come in time, and the end of the body
// when it is stale.
func TestVerifyABodyThatComesLate(t *testing.T) {
	for late, want := range map[time.Duration]int{5 * time.Minute: 204, 5*time.Minute + 1: 401} {
		synctest.Test(t, func(t *testing.T) {
			in := new(inbox)
			h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, in)
			r := signed(t, secret, alert)
			r.Body = io.NopCloser(io.MultiReader(r.Body, readerFunc(func([]byte) (int, error) {
				time.Sleep(late)
				return 0, io.EOF
			})))
			if got := deliver(h, r); got != want || len(in.bodies) > 0 != (want == 204) {
				t.Errorf("%v late: got status %d and %d passed on, want %d", late, got, len(in.bodies), want)
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestSecretsAreNotShown looks for a secret in all that is printed or logged.
func TestSecretsAreNotShown(t *testing.T) {
	rules := aitracer.WebhookRules{Secrets: kept(secret)}
	h := aitracer.Verify(rules, new(inbox))
	var said strings.Builder
	text, lines := slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))
	for _, v := range []any{rules, &rules, h, struct{ R aitracer.WebhookRules }{rules}, struct{ r aitracer.WebhookRules }{rules},
		&struct{ r *aitracer.WebhookRules }{&rules}, struct{ h http.Handler }{h}} {
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		text.Info("x", "v", v)
		lines.Info("x", "v", v)
	}
	// As text, as numbers of %v and of %#v, in hexadecimal and in the base64 of JSON.
	for _, shown := range []string{
		string(secret), strings.Trim(fmt.Sprintf("%v", secret), "[]"), fmt.Sprintf("%x", secret),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}"), base64.StdEncoding.EncodeToString(secret),
	} {
		if strings.Contains(said.String(), shown) {
			t.Errorf("the secret is shown as %s by\n%s", shown, said.String())
		}
	}
}

// TestVerifyLooksAtEachDigit has signatures that are nearly right.
func TestVerifyLooksAtEachDigit(t *testing.T) {
	h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, new(inbox))
	for n := range 64 {
		r := signedAt(time.Now(), alert)
		wrong := []byte(r.Header.Get(aitracer.HeaderSignature))
		wrong[3+n] = "0123456789abcdef"[(strings.IndexByte("0123456789abcdef", wrong[3+n])+1)%16]
		r.Header.Set(aitracer.HeaderSignature, string(wrong))
		if got := deliver(h, r); got != 401 {
			t.Errorf("digit %d: got status %d, want 401", n, got)
		}
	}
}

func TestVerifyRotation(t *testing.T) {
	h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(second, secret)}, new(inbox))
	for _, s := range [][]byte{secret, second} {
		r := signed(t, s, alert)
		if got := deliver(h, again(t, r)); got != 204 {
			t.Errorf("signed with %q: got status %d, want 204", s, got)
		}
		if got := deliver(h, r); got != 409 {
			t.Errorf("signed with %q, again: got status %d, want 409", s, got)
		}
	}
	h = aitracer.Verify(aitracer.WebhookRules{Secrets: kept(second)}, new(inbox))
	if got := deliver(h, signed(t, secret, alert)); got != 401 {
		t.Errorf("signed with the old secret: got status %d, want 401", got)
	}
}

func TestVerifyABodyThatBreaksOff(t *testing.T) {
	h := aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, new(inbox))
	r := signed(t, secret, alert)
	r.Body = io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(alert))))
	if got := deliver(h, r); got != 400 {
		t.Errorf("got status %d, want 400", got)
	}
}

// TestWebhookOverHTTP goes from Sign to Verify over loopback.
func TestWebhookOverHTTP(t *testing.T) {
	in := new(inbox)
	s := httptest.NewServer(aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret)}, in))
	defer s.Close()
	post := func(body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := aitracer.Sign(r, secret); err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := post(strings.NewReader(alert)); got != 204 {
		t.Errorf("got status %d, want 204", got)
	}
	if got := post(nil); got != 204 {
		t.Errorf("no body: got status %d, want 204", got)
	}
	if got := post(iotest.OneByteReader(strings.NewReader(alert + " "))); got != 204 {
		t.Errorf("a body of a length that is not known: got status %d, want 204", got)
	}
	if len(in.bodies) != 3 {
		t.Errorf("got %q", in.bodies)
	}
}

func TestVerifyNonsense(t *testing.T) {
	ok := kept(secret)
	wantPanic(t, "aitracer: Verify: nil Handler", func() { aitracer.Verify(aitracer.WebhookRules{Secrets: ok}, nil) })
	wantPanic(t, "aitracer: Verify: no secret, or an empty one", func() { aitracer.Verify(aitracer.WebhookRules{}, new(inbox)) })
	wantPanic(t, "aitracer: Verify: no secret, or an empty one", func() {
		aitracer.Verify(aitracer.WebhookRules{Secrets: kept(secret, nil)}, new(inbox))
	})
	for _, rules := range []aitracer.WebhookRules{{Tolerance: -1}, {MaxBody: -1}, {Memory: -1}, {Tolerance: 24*time.Hour + 1}} {
		rules.Secrets = ok
		wantPanic(t, "aitracer: Verify: a bound that is negative, or a Tolerance of more than a day", func() { aitracer.Verify(rules, new(inbox)) })
	}
}
