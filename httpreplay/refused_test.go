package httpreplay_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/httpreplay"
)

func TestRecordingsThatAreRefused(t *testing.T) {
	s := provider(t)
	post := func(body string) func(*testing.T, *http.Client) {
		return func(t *testing.T, c *http.Client) {
			t.Helper()
			if _, err := send(t, c, s.URL+"/chat", body); err != nil {
				t.Fatal(err)
			}
		}
	}
	get := func(path string, headers ...string) func(*testing.T, *http.Client) {
		return func(t *testing.T, c *http.Client) {
			t.Helper()
			url := s.URL + path
			if user, rest, ok := strings.Cut(strings.TrimPrefix(path, "//"), "@"); ok {
				url = "http://" + user + "@" + s.Listener.Addr().String() + rest
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(headers); i += 2 {
				req.Header.Set(headers[i], headers[i+1])
			}
			res, err := c.Do(req)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, res.Body) // it is cut, as the recorder must notice
			res.Body.Close()
		}
	}
	for name, tt := range map[string]struct {
		ask  func(*testing.T, *http.Client)
		opts httpreplay.RecordOptions
		want string
	}{
		"nothing":             {func(*testing.T, *http.Client) {}, httpreplay.RecordOptions{}, "no request was made through the recorder"},
		"only a failure":      {func(_ *testing.T, c *http.Client) { _, _ = c.Get("http://127.0.0.1:1/") }, httpreplay.RecordOptions{}, "no request was made"}, //nolint:bodyclose // there is none
		"OpenAI":              {post(`{"k":"sk-proj-abcdefghij0123456789"}`), httpreplay.RecordOptions{}, "exchange 1: the request holds what looks like a key of a model's provider; RecordOptions.Scrub"},
		"Anthropic":           {post(`"sk-ant-api03-abcdefghij0123456789"`), httpreplay.RecordOptions{}, "a key of a model's provider"},
		"Google":              {post(`"AIzaSyA0123456789abcdefghijklmnopqrstuv"`), httpreplay.RecordOptions{}, "a key of Google's"},
		"AWS":                 {post(`"AKIAIOSFODNN7EXAMPLE"`), httpreplay.RecordOptions{}, "a key of AWS"},
		"GitHub":              {post(`"ghp_0123456789abcdefghijABCDEFGHIJ012345"`), httpreplay.RecordOptions{}, "a token of GitHub's"},
		"Slack":               {post(`"xoxb-0123456789-abcdefgh"`), httpreplay.RecordOptions{}, "a token of Slack's"},
		"Stripe":              {post(`"sk_live_0123456789abcdefgh"`), httpreplay.RecordOptions{}, "a key of Stripe's"},
		"JWT":                 {post(`"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_DEF"`), httpreplay.RecordOptions{}, "a JSON Web Token"},
		"private key":         {post(`"-----BEGIN RSA PRIVATE KEY-----"`), httpreplay.RecordOptions{}, "a private key"},
		"bearer":              {post(`"Bearer 0123456789abcdef0"`), httpreplay.RecordOptions{}, "a bearer token"},
		"member":              {post(`{"api_key": "hunter2hunter2"}`), httpreplay.RecordOptions{}, "a secret in a member of JSON"},
		"member in a text":    {post(`{"text": "{\"password\": \"hunter2hunter2\"}"}`), httpreplay.RecordOptions{}, "a secret in a member of JSON"},
		"token in a member":   {post(`{"apiToken": "hunter2hunter2"}`), httpreplay.RecordOptions{}, "a secret in a member of JSON"},
		"form":                {post(`client_secret=hunter2hunter2&x=y`), httpreplay.RecordOptions{}, "a secret in a form or a query"},
		"later in a form":     {post(`grant_type=password&password=hunter2hunter2`), httpreplay.RecordOptions{}, "a secret in a form or a query"},
		"query in a text":     {post(`"http://x/?access_token=hunter2hunter2"`), httpreplay.RecordOptions{}, "a secret in a form or a query"},
		"in the path":         {get("/list/sk-abcdefghij0123456789"), httpreplay.RecordOptions{}, "a key of a model's provider"},
		"sent as a secret":    {get("/list?page=my-own-secret", "X-Api-Key", "my-own-secret"), httpreplay.RecordOptions{}, "exchange 1: the request holds what was sent as a secret"},
		"sent and escaped":    {get("/list?page=my%2Fown-secret", "X-Api-Key", "my/own-secret"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"sent as a cookie":    {get("/list?page=my-own-secret", "Cookie", "a=b; c=my-own-secret"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"sent as a bearer":    {get("/list?page=my-own-secret", "Authorization", "Bearer my-own-secret"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"sent as basic":       {get("/list?page=my-own-secret", "Authorization", "Basic bWU6bXktb3duLXNlY3JldA=="), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"of eight bytes":      {get("/list?page=12345678", "X-Api-Key", "12345678"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"sent in the URL":     {get("//me:my-own-secret@/list?page=my-own-secret"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"sent as a parameter": {get("/list?key=my-own-secret&page=my-own-secret"), httpreplay.RecordOptions{}, "what was sent as a secret"},
		"in a kept header":    {get("/list", "X-Mine", "AKIAIOSFODNN7EXAMPLE"), httpreplay.RecordOptions{Keep: []string{"X-Mine"}}, "a key of AWS"},
		"cut":                 {get("/cut"), httpreplay.RecordOptions{}, "exchange 1: the response is not whole: unexpected EOF"},
		"a stream that cut":   {get("/cutstream"), httpreplay.RecordOptions{}, "exchange 1: the response is not whole: unexpected EOF"},
		"encoded": {get("/list"), httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Encoding": {"br"}}, Body: http.NoBody}, nil
		})}, `the response is encoded ("br")`},
		"upgraded": {get("/list"), httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: http.NoBody}, nil
		})}, "it goes on in another protocol"},
		"too large": {get("/list"), httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(io.LimitReader(zeros{}, httpreplay.MaxSize+1))}, nil
		})}, "exchange 1 is larger than"},
		"a stream that is too large": {get("/list"), httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			body := io.MultiReader(io.LimitReader(zeros{}, httpreplay.MaxSize), strings.NewReader("0")) // and so in two reads
			header := http.Header{"Content-Type": {"application/x-ndjson"}}
			return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(body)}, nil
		})}, "exchange 1 is larger than"},
		"unread": {func(t *testing.T, c *http.Client) {
			res, err := c.Get(s.URL + "/lines") // and not read: that is the point
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
		}, httpreplay.RecordOptions{}, "exchange 1: the response was not read to its end, nor closed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "a.httprr")
			r := create(t, file, tt.opts)
			tt.ask(t, r.Client())
			err := r.Close()
			if err == nil || !strings.HasPrefix(err.Error(), "httpreplay: "+file+" was not written: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			for _, secret := range []string{"abcdefghij", "my-own-secret", "hunter2", "AKIA"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("the error holds the secret: %v", err)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%d files are left, %v, want none", len(left), err)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
