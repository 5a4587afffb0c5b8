package aitracer

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The headers of a signehook webhook:
//
//	X-AITracer-Delivery-Timestamp: 1774015541
//	X-AITracer-Signature: v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd
const (
	HeaderTimestamp = "X-AITracer-Delivery-Timestamp" // Unix time in seconds
	HeaderSignature = "X-AITracer-Signature"          // HMAC-SHA-256, in lower-case hexadecimal
)

// Bounds of webhooks where the user gives none.
const (
	webhookTolerance = 5 * time.Minute
	webhookBody      = 1 << 20
	webhookMemory    = 100_000
)

// maxSignedBody bounds the body of a request that Sign reads, in bytes.
const maxSignedBody = 10 << 20

// Sign signs a webhook that is about to be sent, such as one for the vendor's
// /api/ingest/webhooks: it sets [HeaderTimestamp] to the time and [HeaderSignature]
// to the HMAC over the timestamp, a full stop and the body, keyed with secret.
//
// Sign a delivery again when it is tried again: a receiver refuses a signature that
// it has seen. For the same reason give each body something that no other has, such
// as an ID. Sign reads the body, of at most 10 MiB, and puts what it has read in its
// place. It panics if secret is empty.
func Sign(req *http.Request, secret []byte) error {
	if len(secret) == 0 {
		panic("aitracer: Sign: empty secret")
	}
	body, err := signedBody(req)
	if err != nil {
		return fmt.Errorf("aitracer: sign: the body of the request: %w", err)
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := signature(secret, timestamp, body)
	req.Header.Set(HeaderTimestamp, timestamp)
	req.Header.Set(HeaderSignature, signatureVersion+hex.EncodeToString(mac[:]))
	return nil
}

func signedBody(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxSignedBody+1))
	if err == nil && len(body) > maxSignedBody {
		err = fmt.Errorf("larger than %d bytes", maxSignedBody)
	}
	if err = errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.ContentLength = int64(len(body))
	return body, nil
}

const (
	signatureVersion = "v1="
	maxTimestamp     = 99_999_999_999 // in the year 5138; what is larger is in milliseconds
)

type mac [sha256.Size]byte

func signature(secret []byte, timestamp string, body []byte) (m mac) {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(timestamp))
	h.Write([]byte{'.'})
	h.Write(body)
	h.Sum(m[:0])
	return m
}

// WebhookRules say which webhooks [Verify] lets through. The Secrets are behind a
// func, of which printing or logging shows nothing, whatever holds the WebhookRules.
type WebhookRules struct {
	// Secrets returns the keys of which one must have signed: usually one, two
	// while they change. None may be empty, and one is required. It is asked for
	// each webhook, by any goroutine, and what it returned must not change.
	Secrets func() [][]byte `json:"-"`

	// Tolerance is how far the timestamp may be from the time here, on either
	// side: at most a day. If it is zero, 5 minutes.
	Tolerance time.Duration

	// MaxBody bounds the body, in bytes. If it is zero, 1 MiB.
	MaxBody int64

	// Memory bounds the signatures that are remembered, some 100 bytes each.
	// While it is full, webhooks are refused with status 503: one that was
	// forgotten could be replayed. Each is remembered for at least twice the
	// Tolerance, and for four times it at most while others come. If it is
	// zero, 100,000.
	Memory int
}

// Verify returns a Handler that passes on to next each webhook that was signed with
// one of the secrets, lately, and that comes for the first time; next gets the whole
// body. The others are answered with a status: see "Webhooks" in the package doc.
//
// Verify panics if next is nil, there are no secrets, one is empty, or a bound is
// negative or the tolerance more than a day. The Handler is safe for concurrent use
// if next is.
func Verify(rules WebhookRules, next http.Handler) http.Handler {
	switch {
	case next == nil:
		panic("aitracer: Verify: nil Handler")
	case rules.Secrets == nil || !usable(rules.Secrets()):
		panic("aitracer: Verify: no secret, or an empty one")
	case rules.Tolerance < 0 || rules.MaxBody < 0 || rules.Memory < 0 || rules.Tolerance > 24*time.Hour:
		panic("aitracer: Verify: a bound that is negative, or a Tolerance of more than a day")
	}
	tolerance := cmp.Or(rules.Tolerance, webhookTolerance)
	return &verifier{
		next: next, secrets: rules.Secrets, tolerance: tolerance, maxBody: cmp.Or(rules.MaxBody, webhookBody),
		seen: replays{max: cmp.Or(rules.Memory, webhookMemory), keep: 2 * tolerance, began: time.Now()},
	}
}

type verifier struct {
	next      http.Handler
	secrets   func() [][]byte
	tolerance time.Duration
	maxBody   int64
	seen      replays
}

// ServeHTTP implements http.Handler.
func (v *verifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hook, err := parseWebhook(r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !v.timely(hook) {
		http.Error(w, notTimely, http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "aitracer: webhook: the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "aitracer: webhook: the body could not be read", http.StatusBadRequest)
		return
	}
	if !v.signed(hook, body) {
		http.Error(w, "aitracer: webhook: the signature is wrong", http.StatusUnauthorized)
		return
	}
	if !v.timely(hook) { // whoever sends the body slowly makes it stale
		http.Error(w, notTimely, http.StatusUnauthorized)
		return
	}
	switch v.seen.note(hook, time.Now()) {
	case replayed:
		http.Error(w, "aitracer: webhook: the signature was seen before", http.StatusConflict)
		return
	case crowded:
		w.Header().Set("Retry-After", strconv.FormatInt(int64(v.tolerance/time.Second)+1, 10))
		http.Error(w, "aitracer: webhook: too many at a time", http.StatusServiceUnavailable)
		return
	}
	r = r.WithContext(r.Context()) // a copy: the server still closes the body that it knows
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	v.next.ServeHTTP(w, r)
}

const notTimely = "aitracer: webhook: the timestamp is too old or too far ahead"

// timely reports whether a webhook's timestamp is within the tolerance now.
func (v *verifier) timely(hook webhook) bool {
	age := time.Since(time.Unix(hook.at, 0))
	return -v.tolerance <= age && age <= v.tolerance
}

// usable reports whether there are secrets, and none is empty.
func usable(secrets [][]byte) bool {
	return len(secrets) > 0 && !slices.ContainsFunc(secrets, func(s []byte) bool { return len(s) == 0 })
}

// signed reports whether one of the secrets made the signature. It tries all of
// them, so that the time it takes does not say which.
func (v *verifier) signed(hook webhook, body []byte) (ok bool) {
	secrets := v.secrets()
	if !usable(secrets) {
		return false
	}
	for _, secret := range secrets {
		want := signature(secret, hook.timestamp, body)
		if hmac.Equal(want[:], hook.mac[:]) {
			ok = true
		}
	}
	return ok
}

// A webhook is what the headers of a signehook webhook say.
type webhook struct {
	timestamp string // as it was signed
	at        int64  // Unix time in seconds
	mac       mac
}

// parseWebhook takes the one spelling of each header: a signature that could be
// written in two ways could be replayed in the other.
func parseWebhook(h http.Header) (hook webhook, err error) {
	timestamp, signature := h.Values(HeaderTimestamp), h.Values(HeaderSignature)
	if len(timestamp) != 1 || len(signature) != 1 {
		return webhook{}, fmt.Errorf("aitracer: webhook: need one %s and one %s", HeaderTimestamp, HeaderSignature)
	}
	hook.timestamp = timestamp[0]
	hook.at, err = strconv.ParseInt(hook.timestamp, 10, 64)
	if err != nil || hook.at < 0 || hook.at > maxTimestamp || strconv.FormatInt(hook.at, 10) != hook.timestamp {
		return webhook{}, fmt.Errorf("aitracer: webhook: %s is not a Unix time in seconds", HeaderTimestamp)
	}
	digits, ok := strings.CutPrefix(signature[0], signatureVersion)
	if !ok || len(digits) != hex.EncodedLen(len(hook.mac)) || strings.Trim(digits, "0123456789abcdef") != "" {
		return webhook{}, fmt.Errorf("aitracer: webhook: %s is not v1= and 64 lower-case hexadecimal digits", HeaderSignature)
	}
	_, err = hex.Decode(hook.mac[:], []byte(digits))
	return hook, err
}
