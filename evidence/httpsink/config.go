package httpsink

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"example.com/safeconduct/internal/delivery"
)

// A Config says where a [Sink] posts to. What is secret in it is behind funcs, of
// which printing or logging shows nothing, whatever holds the Config.
type Config struct {
	// URL is where records are posted to. It must not be empty.
	URL string

	// CheckpointURL is where Publish posts checkpoints to. In it {ledger} stands
	// for the origin of the ledger. If it is empty, Publish does nothing.
	CheckpointURL string

	// Token returns the bearer token (RFC 6750) that goes with each request, or ""
	// for none. It is asked before each request, by any goroutine: a token that
	// changed is used without a restart. It goes over https only, or to a loopback
	// address. It may be nil.
	Token func() string `json:"-"`

	// Header returns what else goes with each request. It must not have
	// Authorization where there is a Token, nor Content-Type, Content-Encoding or
	// Content-Length. It may be nil.
	Header func() http.Header `json:"-"`

	// TLS says which servers are trusted, and with which certificate the client
	// shows who it is. If it is nil, the system's roots are, and none is shown.
	TLS *tls.Config `json:"-"`

	// Uncompressed sends records as they are, for receivers that do not take
	// gzip.
	Uncompressed bool
}

// String names the origin.
func (c Config) String() string { return "httpsink.Config for " + delivery.Origin(c.URL) }

// GoString does the same.
func (c Config) GoString() string { return c.String() }

// LogValue does the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// A headerError says that a header cannot be sent. As with a wrong token, somebody has
// to see to it.
type headerError string

func (e headerError) Error() string    { return string(e) }
func (headerError) Unauthorized() bool { return true }

// header returns the header of a request.
func (c *Config) header() (http.Header, error) {
	header := make(http.Header)
	if c.Header != nil {
		for name, values := range c.Header() {
			for _, v := range values {
				header.Add(name, v) // in the one spelling that is looked for below
			}
		}
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length"} {
		if header.Get(name) != "" {
			return nil, headerError("Config.Header has " + name)
		}
	}
	if c.Token == nil {
		return header, nil
	}
	token := c.Token()
	switch {
	case header.Get("Authorization") != "":
		return nil, headerError("Config.Header has Authorization, and there is a Token")
	case strings.Trim(token, tokenCharacters) != "":
		return nil, headerError("Config.Token holds what a bearer token cannot, such as a line break")
	case token != "":
		header.Set("Authorization", "Bearer "+token)
	}
	return header, nil
}

// tokenCharacters are those of RFC 6750, section 2.1.
const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// parse parses a URL that is posted to.
func (c *Config) parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL") // the cause quotes it, and it may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("is not an http or https URL")
	case u.User != nil:
		return nil, errors.New("holds a user: use Token or Header")
	case u.Scheme == "http" && c.Token != nil && !delivery.IsLoopback(u.Hostname()):
		return nil, errors.New("is http, over which others can read the token: use https")
	}
	return u, nil
}
