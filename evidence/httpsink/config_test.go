package httpsink_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/httpsink"
)

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  httpsink.Config
		want string
	}{
		"no URL":         {httpsink.Config{}, "Config.URL: is not an http or https URL"},
		"not a URL":      {httpsink.Config{URL: "http://[::secret"}, "Config.URL: is not a URL"},
		"another scheme": {httpsink.Config{URL: "file:///etc/passwd"}, "Config.URL: is not an http or https URL"},
		"no host":        {httpsink.Config{URL: "https:///v1/records"}, "Config.URL: is not an http or https URL"},
		"a user":         {httpsink.Config{URL: "https://me:secret@collector/v1/records"}, "Config.URL: holds a user"},
		"a token in the clear": {httpsink.Config{URL: "http://collector/v1/records", Token: bear("secret")},
			"Config.URL: is http, over which others can read the token"},
		"a checkpoint URL": {httpsink.Config{URL: "https://collector", CheckpointURL: "v1/{ledger}"},
			"Config.CheckpointURL: is not an http or https URL"},
		"a token that breaks": {httpsink.Config{URL: "https://collector", Token: bear("secret\r\nX: y")}, "Config.Token holds what a bearer token cannot"},
		"a token and another": {httpsink.Config{URL: "https://collector", Token: bear("secret"),
			Header: func() http.Header { return http.Header{"Authorization": {"secret"}} }}, "Config.Header has Authorization"},
		"the same, spelled so": {httpsink.Config{URL: "https://collector",
			Header: func() http.Header { return http.Header{"content-type": {"secret"}} }}, "Config.Header has Content-Type"},
		"a header that is ours": {httpsink.Config{URL: "https://collector",
			Header: func() http.Header { return http.Header{"Content-Type": {"secret"}} }}, "Config.Header has Content-Type"},
		"the encoding of others": {httpsink.Config{URL: "https://collector",
			Header: func() http.Header { return http.Header{"Content-Encoding": {"secret"}} }}, "Config.Header has Content-Encoding"},
	} {
		_, err := httpsink.New(tt.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "httpsink: "+tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/", "https://collector/"} {
		if s, err := httpsink.New(httpsink.Config{URL: url, Token: bear("secret")}); err != nil {
			t.Errorf("%s: got %v", url, err)
		} else if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestTheTokenIsNotShown looks for what is secret in all that can be printed or
// logged.
func TestTheTokenIsNotShown(t *testing.T) {
	cfg := httpsink.Config{
		URL: "https://collector.example.com/v1/records?key=hidden-in-the-query", Token: bear(token),
		Header: func() http.Header { return http.Header{"X-Key": {"hidden-in-a-header"}} },
	}
	sink := newSink(t, cfg)
	var said bytes.Buffer
	text, lines := slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))
	for _, v := range []any{cfg, &cfg, sink, struct{ C httpsink.Config }{cfg}, struct{ c httpsink.Config }{cfg},
		&struct{ c *httpsink.Config }{&cfg}, struct{ s *httpsink.Sink }{sink}} {
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s %q\n", v, v, v, v, v)
		text.Info("x", "v", v)
		lines.Info("x", "v", v)
	}
	for _, secret := range []string{token, "hidden-in-a-header"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s is shown by\n%s", secret, said.String())
		}
	}
	if got, want := cfg.String(), "httpsink.Config for https://collector.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (httpsink.Config{URL: "%zz"}).String(), "httpsink.Config for no URL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := sink.String(), "httpsink.Sink to https://collector.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAUserInTheURL is answered by what the error names.
func TestAUserInTheURL(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	_, err := httpsink.New(httpsink.Config{URL: strings.Replace(server.URL, "://", "://me:secret@", 1)})
	if err == nil || !strings.Contains(err.Error(), "use Token or Header") {
		t.Errorf("got error %v, want the advice", err)
	}
	basic := http.Header{"Authorization": {"Basic bWU6c2VjcmV0"}}
	for want, cfg := range map[string]httpsink.Config{
		"Bearer secret":      {URL: server.URL, Token: bear("secret")},
		"Basic bWU6c2VjcmV0": {URL: server.URL, Header: func() http.Header { return basic }},
	} {
		if err := newSink(t, cfg).Send(t.Context(), [][]byte{[]byte(`{}`)}); err != nil || got != want {
			t.Errorf("got %v and Authorization %q, want %q", err, got, want)
		}
	}
}

// A token that changed is used without a restart, and one that cannot be sent is
// waited for as one that is wrong.
func TestATokenThatChanges(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	c := newCollection(t, "evidencetest", root)
	current := "wrong"
	cfg := c.config()
	cfg.Token = func() string { return current }
	sink := newSink(t, cfg)
	for _, wrong := range []string{"wrong", "", "a\nb"} {
		current = wrong
		err := sink.Send(t.Context(), records)
		var e *evidence.SinkError
		if !errors.As(err, &e) || !e.Unauthorized() || e.Permanent() {
			t.Errorf("%q: got %v, want it to be about the token", wrong, err)
		}
	}
	current = token
	if err := sink.Send(t.Context(), records); err != nil {
		t.Errorf("got %v with the right one", err)
	}
}
