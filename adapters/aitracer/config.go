package aitracer

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// A Config says how a [Client] works. The Key is behind a func, of which printing or
// logging shows nothing, whatever holds the Config.
type Config struct {
	// BaseURL is the origin of the deployed app, such as
	// https://aitracer.example.com: without a path, and https unless it is on
	// the loopback interface.
	BaseURL string

	// Key returns the workspace's key, which begins with akt_. It is asked before
	// each request, by any goroutine: a key that changed is used without a restart.
	// It is required.
	Key func() string `json:"-"`

	// Environment is where the agent runs. If it is empty, "prod".
	Environment string

	// Redact takes out of each prompt and response what the vendor must not see.
	// It is called by any number of goroutines. If it panics, the text is not
	// posted. It may be nil for a Client that posts what it is given; a [Sink]
	// that posts contents requires it.
	Redact func(text string) string `json:"-"`

	// Timeout bounds one request. If it is zero, 10 seconds.
	Timeout time.Duration

	// MinBackoff bounds the pause after the first failure. The bound doubles with
	// each failure, up to MaxBackoff. The pause is a random part of it (full
	// jitter), or what a Retry-After asks for, up to MaxBackoff. If they are zero,
	// half a second and 30 seconds.
	MinBackoff, MaxBackoff time.Duration

	// Attempts bounds the requests made for one trace. If it is zero, 5.
	Attempts int

	// Concurrency bounds the traces under way, and the requests of one
	// [Sink.Take]. If it is zero, 8.
	Concurrency int

	// Transport makes the requests. A panic in it becomes an error. If it is nil,
	// the Client has one of its own.
	Transport http.RoundTripper `json:"-"`
}

// String names the origin.
func (c Config) String() string { return "aitracer.Config for " + delivery.Origin(c.BaseURL) }

// GoString does the same.
func (c Config) GoString() string { return c.String() }

// LogValue does the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// checkOrigin returns the origin of the app. Its errors hold nothing of base: it
// may have credentials in it.
func checkOrigin(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", errors.New("the BaseURL is not a URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "":
		return "", errors.New("the BaseURL is more than an origin: a scheme, a host and a port")
	case u.Hostname() == "":
		return "", errors.New("the BaseURL has no host")
	case u.Scheme != "https" && (u.Scheme != "http" || !delivery.IsLoopback(u.Hostname())):
		return "", errors.New("the BaseURL is neither https nor http on the loopback interface")
	}
	return u.Scheme + "://" + u.Host, nil
}

// A keyError says that the key cannot be used. As with a wrong key, somebody has to
// see to it.
type keyError string

func (e keyError) Error() string    { return string(e) }
func (keyError) Unauthorized() bool { return true }

// bearer returns the header by which a request shows the key.
func bearer(ask func() string) (string, error) {
	const prefix = "akt_"
	key := ""
	if ask != nil {
		key = ask()
	}
	switch {
	case !strings.HasPrefix(key, prefix) || key == prefix:
		return "", keyError("the Key is not a workspace key, which begins with akt_")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", keyError("the Key holds what no header can hold")
	}
	return "Bearer " + key, nil
}
