package aitracer_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"example.com/safeconduct/adapters/aitracer"
)

func TestNew(t *testing.T) {
	for _, tt := range []struct{ base, key, want string }{
		{"https://aitracer.example.com", key, ""},
		{"https://aitracer.example.com/", key, ""},
		{"https://aitracer.example.com:8443", key, ""},
		{"http://127.0.0.1:3000", key, ""},
		{"http://[::1]:3000", key, ""},
		{"http://localhost:3000", key, ""},
		{"http://aitracer.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"http://127.0.0.1.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"http://localhost.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"ftp://127.0.0.1", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"aitracer.example.com", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"", key, "aitracer: the BaseURL has no host"},
		{"https://", key, "aitracer: the BaseURL has no host"},
		{"https://:443", key, "aitracer: the BaseURL has no host"},
		{"https://a.example.com/api", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://u:hunter2@a.example.com", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com?k=hunter2", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com#x", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com/%zzhunter2", key, "aitracer: the BaseURL is not a URL"},
		{origin, "", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "akt_", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "sk-hunter2", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "akt_hunter2\r\nX: y", "aitracer: the Key holds what no header can hold"},
		{origin, "akt_hunter2é", "aitracer: the Key holds what no header can hold"},
	} {
		c, err := aitracer.New(aitracer.Config{BaseURL: tt.base, Key: bear(tt.key)})
		if got := fmt.Sprint(err); err == nil && tt.want != "" || err != nil && got != tt.want || (c == nil) != (err != nil) {
			t.Errorf("New with %q and %q: got %s, want %s", tt.base, tt.key, got, tt.want)
		}
	}
	for _, cfg := range []aitracer.Config{{Timeout: -1}, {MinBackoff: -1}, {MaxBackoff: -1}, {Attempts: -1}, {Concurrency: -1}} {
		wantPanic(t, "aitracer: New: a negative bound", func() { _, _ = aitracer.New(cfg) })
	}
}

func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v := recover(); v != want {
			t.Errorf("got panic %v, want %q", v, want)
		}
	}()
	f()
}

// TestKeyIsNotShown looks for the key in all that is printed, logged or
// returned.
func TestKeyIsNotShown(t *testing.T) {
	cfg := aitracer.Config{BaseURL: "https://user:hunter2@aitracer.example.com/x?y", Key: bear(key)}
	c := newClient(t, aitracer.Config{BaseURL: "http://127.0.0.1:1", Key: bear(key), Attempts: 1})
	err := c.Record(t.Context(), documented)
	if err == nil {
		t.Fatal("got no error from nobody")
	}
	sink := aitracer.NewSink(c, aitracer.SinkConfig{})
	var log strings.Builder
	l := slog.New(slog.NewTextHandler(&log, nil))
	j := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{cfg, &cfg, struct{ C aitracer.Config }{cfg}, struct{ c aitracer.Config }{cfg}, &struct{ c *aitracer.Config }{&cfg}, c,
		*c, struct{ c *aitracer.Client }{c}, sink, err} {
		_, _ = fmt.Fprintf(&log, "%v %+v %#v %s %q\n", v, v, v, v, v)
		l.Info("x", "v", v)
		j.Info("x", "v", v)
	}
	for _, v := range []any{cfg, struct{ C aitracer.Config }{cfg}, struct{ c aitracer.Config }{cfg}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		log.Write(b)
	}
	for _, secret := range []string{key, key[4:]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the key is in %s", log.String())
		}
	}
	if got, want := cfg.String(), "aitracer.Config for https://aitracer.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (aitracer.Config{BaseURL: "%zz"}).String(), "aitracer.Config for no URL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := c.String(), "aitracer.Client of http://127.0.0.1:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
