package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// A fakeDB is a database that keeps the queries that reach it.
type fakeDB struct {
	ran []string
	err error
}

func (d *fakeDB) Dialect() string { return "fake" }
func (d *fakeDB) Close() error    { return nil }
func (d *fakeDB) Query(_ context.Context, q string, args ...any) ([]string, [][]string, error) {
	d.ran = append(d.ran, fmt.Sprint(append([]any{q}, args...)...))
	return []string{"id", "name"}, [][]string{{"1", "Ann"}, {"2", "Bob"}}, d.err
}
func (d *fakeDB) TableNames(context.Context) ([]string, error) { return []string{"users"}, d.err }
func (d *fakeDB) TableInfo(_ context.Context, table string) (string, error) {
	d.ran = append(d.ran, "SHOW CREATE TABLE "+table)
	return "CREATE TABLE " + table, nil
}

func readOnly() middleware.Interceptor {
	return gates.Arguments(gates.ArgumentRules{"sql": {gates.Text(gates.ReadOnlySQL())}})
}

// TestSQLDatabaseChainReadsOnly runs langchaingo's chain with a model that
// writes all sorts of SQL: what does not only read never reaches the database.
func TestSQLDatabaseChainReadsOnly(t *testing.T) {
	for sql, ok := range map[string]bool{
		"SELECT name FROM users":                                    true,
		"```sql\nSELECT name\nFROM users;\n```":                     true,
		"DROP TABLE users":                                          false,
		"SELECT 1; DROP TABLE users":                                false,
		"SELECT 1 /*! INTO OUTFILE '/tmp/x' */":                     false,
		"WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x": false,
		"SELECT pg_sleep(1e9)":                                      false,
	} {
		db := &fakeDB{}
		sd, err := sqldatabase.NewSQLDatabase(langchaingo.Engine("sql", db, readOnly()), nil)
		if err != nil {
			t.Fatal(err)
		}
		chain := chains.NewSQLDatabaseChain(says("SQLQuery:\n"+sql, "Answer: Ann and Bob"), 5, sd)
		out, err := chains.Run(t.Context(), langchaingo.Chain(chain, pass), "who?")
		if ok {
			if err != nil || out != "Ann and Bob" || len(db.ran) != 3 {
				t.Errorf("%s: got %q, %v, and %q ran", sql, out, err, db.ran)
			}
			continue
		}
		if d := kit.WantDenied(t, err, middleware.CodePolicy); d.Gate != "arguments" || d.Call != "sql" {
			t.Errorf("%s: got %+v", sql, d)
		}
		for _, q := range db.ran {
			if q != "SHOW CREATE TABLE users" && q != "SELECT * FROM users LIMIT 3" {
				t.Errorf("%s: %q ran", sql, q)
			}
		}
	}
}

func TestEngine(t *testing.T) {
	boom := errors.New("boom")
	shout := middleware.TransformResult("shout", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
		res.Output = strings.ToUpper(res.Output.(string))
		return res, true, nil
	})
	limit := middleware.Transform("limit", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		call.Input = call.Input.(string) + " LIMIT 5"
		return call, true, nil
	})
	wrong := middleware.Transform("wrong", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		call.Input = 7
		return call, true, nil
	})
	for name, tt := range map[string]struct {
		is   []middleware.Interceptor
		sql  string
		db   fakeDB
		want string
		ran  string
	}{
		"rows":           {[]middleware.Interceptor{readOnly()}, "SELECT ?", fakeDB{}, "[id name] [[1 Ann] [2 Bob]] <nil>", "SELECT ?7"},
		"another output": {[]middleware.Interceptor{shout}, "SELECT 1", fakeDB{}, "[ID\tNAME\n1\tANN\n2\tBOB] [] <nil>", "SELECT 17"},
		"another input":  {[]middleware.Interceptor{limit}, "SELECT a", fakeDB{}, "[id name] [[1 Ann] [2 Bob]] <nil>", "SELECT a LIMIT 57"},
		"denied": {[]middleware.Interceptor{readOnly()}, "DROP", fakeDB{},
			"[] [] sql: denied by arguments: the input must be one SQL query that only reads (policy)", ""},
		"told": {[]middleware.Interceptor{middleware.Tell, readOnly()}, "DROP", fakeDB{},
			"[Denied (policy): the input must be one SQL query that only reads. Do not repeat this call unchanged.] [] <nil>", ""},
		"the engine fails": {[]middleware.Interceptor{readOnly()}, "SELECT 1", fakeDB{err: boom}, "[] [] boom", "SELECT 17"},
		"no text": {[]middleware.Interceptor{wrong}, "SELECT 1", fakeDB{},
			"[] [] langchaingo: tool sql: an interceptor put a int in place of the input, want string", ""},
	} {
		db := &tt.db
		cols, rows, err := langchaingo.Engine("sql", db, tt.is...).Query(t.Context(), tt.sql, 7)
		if got := fmt.Sprint(cols, rows, err); got != strings.Replace(tt.want, "[] [] ", "[] [] ", 1) {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
		if got := strings.Join(db.ran, ";"); got != tt.ran {
			t.Errorf("%s: %q ran, want %q", name, got, tt.ran)
		}
	}
}

// TestEngineTableInfo shows that the name of a table cannot smuggle in SQL.
func TestEngineTableInfo(t *testing.T) {
	db := &fakeDB{}
	e := langchaingo.Engine("sql", db, readOnly())
	if info, err := e.TableInfo(t.Context(), "users"); err != nil || info != "CREATE TABLE users" || e.Dialect() != "fake" {
		t.Errorf("got %q, %v", info, err)
	}
	for _, table := range []string{"users; DROP TABLE users", "", "Users", "nobody"} {
		if _, err := e.TableInfo(t.Context(), table); !errors.Is(err, sqldatabase.ErrTableNotFound) {
			t.Errorf("%q: got %v", table, err)
		}
	}
	if len(db.ran) != 1 {
		t.Errorf("%q ran", db.ran)
	}
	db.err = errors.New("boom")
	if _, err := e.TableInfo(t.Context(), "users"); !errors.Is(err, db.err) {
		t.Errorf("got %v", err)
	}
}

// TestAPIChainReachesOnlyWhatIsAllowed runs langchaingo's chain with a model
// that writes all sorts of requests.
func TestAPIChainReachesOnlyWhatIsAllowed(t *testing.T) {
	came := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came++
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "sunny"+string(b))
	}))
	defer server.Close()
	u, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(u.Port())
	web := gates.NewWeb(gates.WebRules{
		Hosts: []string{"127.0.0.1", "localhost.test"}, PlainHTTP: true, Ports: []int{port},
		Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	gate := gates.Arguments(gates.ArgumentRules{"http": {
		gates.Arg("method", gates.OneOf("GET", "POST")),
		gates.Arg("url", web.URL()),
		gates.Arg("headers", gates.Not(gates.Field("Authorization"))),
		gates.Arg("body", gates.Length(0, 30)),
	}})
	client := web.Client()
	defer client.CloseIdleConnections()
	for name, tt := range map[string]struct {
		request string
		reached int
		ok      bool
	}{
		"allowed":           {`{"method":"GET","url":"` + server.URL + `/weather","headers":{"Accept":"*/*"}}`, 1, true},
		"a body":            {`{"method":"POST","url":"` + server.URL + `/weather","body":{"city":"Rome"}}`, 1, true},
		"a large body":      {`{"method":"POST","url":"` + server.URL + `/weather","body":{"city":"` + strings.Repeat("x", 30) + `"}}`, 0, false},
		"another method":    {`{"method":"DELETE","url":"` + server.URL + `/weather"}`, 0, false},
		"a secret":          {`{"method":"GET","url":"` + server.URL + `/","headers":{"authorization":"Bearer x"}}`, 0, false},
		"metadata":          {`{"method":"GET","url":"http://169.254.169.254/latest"}`, 0, false},
		"another host":      {`{"method":"GET","url":"http://example.com/"}`, 0, false},
		"a user":            {`{"method":"GET","url":"http://x@127.0.0.1:` + u.Port() + `/"}`, 0, false},
		"redirected inside": {`{"method":"GET","url":"` + server.URL + `/away"}`, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			came = 0
			chain := chains.NewAPIChain(says(tt.request, "It is sunny."), langchaingo.Requester("http", client, gate))
			out, err := chains.Call(t.Context(), langchaingo.Chain(chain, pass), map[string]any{"api_docs": "docs", "input": "weather?"})
			if came != tt.reached || tt.ok != (err == nil) || tt.ok && out["answer"] != "It is sunny." {
				t.Errorf("got %v, %v, and %d came", out, err, came)
			}
			if !tt.ok {
				kit.WantDenied(t, err, middleware.CodePolicy)
			}
		})
	}
}

// A doFunc makes requests with a func.
type doFunc func(*http.Request) (*http.Response, error)

func (d doFunc) Do(req *http.Request) (*http.Response, error) { return d(req) }

// A badBody cannot be read, or closed.
type badBody struct{ read, closed error }

func (b badBody) Read([]byte) (int, error) { return 0, b.read }
func (b badBody) Close() error             { return b.closed }

// A body that cannot be read, or closed, is no body, on the way out and back.
func TestABodyThatFailsIsNoBody(t *testing.T) {
	boom := errors.New("boom")
	for name, body := range map[string]badBody{"read": {boom, nil}, "closed": {io.EOF, boom}, "both": {boom, boom}} {
		made := false
		r := langchaingo.Requester("http", doFunc(func(*http.Request) (*http.Response, error) {
			made = true
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		}), pass)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/", body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Do(req); !errors.Is(err, boom) || made { //nolint:bodyclose // there is none
			t.Errorf("%s: the request was made: %v, %v", name, made, err)
		}
		req.Body = http.NoBody
		if _, err := r.Do(req); !errors.Is(err, boom) || !made { //nolint:bodyclose // there is none
			t.Errorf("%s: the answer: %v", name, err)
		}
	}
}

func TestRequester(t *testing.T) {
	boom := errors.New("boom")
	answers := func(body io.Reader) doFunc {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
		}
	}
	redact := middleware.TransformResult("redact", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
		res.Output = "redacted"
		return res, true, nil
	})
	change := middleware.Transform("change", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		call.Input = "{}"
		return call, true, nil
	})
	never := denyIf(func(middleware.Call) bool { return true })
	for name, tt := range map[string]struct {
		do   doFunc
		is   []middleware.Interceptor
		body string
		want string
	}{
		"done":     {answers(strings.NewReader("yes")), []middleware.Interceptor{pass}, "x", "200 yes"},
		"redacted": {answers(strings.NewReader("yes")), []middleware.Interceptor{redact}, "x", "200 redacted"},
		"denied":   {nil, []middleware.Interceptor{never}, "x", "http: denied by test: no (policy)"},
		"told":     {nil, []middleware.Interceptor{middleware.Tell, never}, "x", "403 Denied (policy): no. Do not repeat this call unchanged."},
		"changed":  {nil, []middleware.Interceptor{change}, "x", "langchaingo: http: an interceptor put another request in its place"},
		"fails":    {func(*http.Request) (*http.Response, error) { return nil, boom }, []middleware.Interceptor{pass}, "x", "boom"},
		"an endless answer": {answers(endless{}), []middleware.Interceptor{pass}, "x",
			"langchaingo: http: the body of the response: larger than 10485760 bytes"},
		"a body of no UTF-8": {nil, []middleware.Interceptor{pass}, "\xff", "langchaingo: http: the body of the request: not valid UTF-8"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/?a=b&c", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		var seen spy
		resp, err := langchaingo.Requester("http", doFunc(func(r *http.Request) (*http.Response, error) {
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != tt.body {
				t.Errorf("%s: the body was %q, %v", name, b, err)
			}
			return tt.do(r)
		}), append([]middleware.Interceptor{seen.intercept}, tt.is...)...).Do(req)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			got = fmt.Sprint(resp.StatusCode, " ", string(b))
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
		if len(seen.calls) == 1 && seen.calls[0].Input != `{"method":"POST","url":"https://example.com/?a=b&c","headers":{},"body":"x"}` {
			t.Errorf("%s: gates saw %v", name, seen.calls[0].Input)
		}
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSeamsPanic(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		f          func()
	}{
		{"Engine of nil", "langchaingo: Engine: no name, or a nil engine", func() { langchaingo.Engine("sql", nil, pass) }},
		{"Engine without name", "langchaingo: Engine: no name, or a nil engine", func() { langchaingo.Engine("", &fakeDB{}, pass) }},
		{"Engine, unguarded", "langchaingo: Engine(sql) without interceptors guards nothing", func() { langchaingo.Engine("sql", &fakeDB{}) }},
		{"Requester of nil", "langchaingo: Requester: no name, or a nil HTTPRequest", func() { langchaingo.Requester("http", nil, pass) }},
		{"Requester, unguarded", "langchaingo: Requester(http) without interceptors guards nothing", func() { langchaingo.Requester("http", http.DefaultClient) }},
	} {
		func() {
			defer func() {
				if v := recover(); v != tt.want {
					t.Errorf("%s: got panic %v, want %q", tt.name, v, tt.want)
				}
			}()
			tt.f()
		}()
	}
	s := fmt.Sprint(langchaingo.Engine("sql", &fakeDB{}, readOnly()), langchaingo.Requester("http", http.DefaultClient, gates.Tools("http")))
	if !strings.Contains(s, "tool sql, guarded by\n 1 arguments") || !strings.Contains(s, "tool http, guarded by\n 1 tools") {
		t.Errorf("got %s", s)
	}
}

func ExampleEngine() {
	engine := langchaingo.Engine("sql", &fakeDB{}, gates.Arguments(gates.ArgumentRules{
		"sql": {gates.Text(gates.ReadOnlySQL())},
	}))
	for _, q := range []string{"SELECT name FROM users", "SELECT name FROM users; DROP TABLE users"} {
		_, rows, err := engine.Query(context.Background(), q)
		fmt.Println(len(rows), err)
	}
	// Output:
	// 2 <nil>
	// 0 sql: denied by arguments: the input must be one SQL query that only reads (policy)
}

func ExampleRequester() {
	web := gates.NewWeb(gates.WebRules{Hosts: []string{"api.example.com"}})
	api := langchaingo.Requester("http", web.Client(), gates.Arguments(gates.ArgumentRules{
		"http": {gates.Arg("method", gates.OneOf("GET")), gates.Arg("url", web.URL())},
	}))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://169.254.169.254/latest/meta-data", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := api.Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	fmt.Println(err)
	// Output: http: denied by arguments: argument "url" must be the URL of a host that the tool may reach, by https: "api.example.com" (policy)
}
