package gates_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"

	"example.com/safeconduct/internal/missing"
)

// notPublic are addresses that no tool may reach, in many spellings.
var notPublic = []string{
	"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
	"169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1",
	"198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1",
	"::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::1",
	"2002:7f00:1::", "2002:a9fe:a9fe::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:10::1", "3fff::1",
	"2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:7f00:1", "2a00:1450::5efe:a9fe:a9fe",
	"fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "100::1", "5f00::1", "4000::1", "fe80::1%eth0",
}

// TestAddressesThatAreNotPublic shows that none of them can be reached by its
// number, neither past the gate nor past the dialer, which opens no socket.
func TestAddressesThatAreNotPublic(t *testing.T) {
	web := gates.NewWeb(gates.WebRules{Hosts: []string{"*"}, PlainHTTP: true})
	rule := gates.Arg("url", web.URL())
	for _, ip := range notPublic {
		host := ip
		if strings.Contains(ip, ":") {
			host = "[" + ip + "]"
		}
		for _, scheme := range []string{"http://", "https://"} {
			if err := judged(t, `{"url":"`+scheme+host+`/"}`, rule); !denied(err, policy) {
				t.Errorf("%s%s: got %v, want a denial", scheme, host, err)
			}
		}
		conn, err := web.DialContext(t.Context(), "tcp", net.JoinHostPort(ip, "443"))
		if conn != nil || !denied(err, policy) {
			t.Errorf("%s was dialled: %v", ip, err)
		}
	}
	for _, ip := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "[2606:4700:4700::1111]", "[64:ff9b::8.8.8.8]",
		"[::ffff:8.8.8.8]", "[2a00:1450::1]", "[2a00:1450::5efe:8.8.8.8]"} {
		if err := judged(t, `{"url":"https://`+ip+`/"}`, rule); err != nil {
			t.Errorf("%s: got %v, want it allowed", ip, err)
		}
	}
}

func TestURL(t *testing.T) {
	hosts := []string{"example.com", "*.example.org", "8.8.8.8"}
	tests := []struct {
		name        string
		rules       gates.WebRules
		allow, deny []string
	}{
		{"by default https alone", gates.WebRules{Hosts: hosts}, []string{
			"https://example.com", "https://example.com/a/../b?q=%2e%2e#f", "https://example.com:443/", "https://example.com/@a?b=c@d",
			"https://a.example.org/", "https://a.b.example.org", "https://8.8.8.8/",
		}, []string{
			"http://example.com/", "https://example.com:444/", "https://example.com:80/", "https://example.com:0443/", "https://example.com:/",
			"https://example.org/", "https://evil-example.com/", "https://example.com.evil.com/", "https://aexample.org/", "https://sub.example.com/",
			"https://evil.com/example.com", "https://evil.com?example.com", "https://evil.com#example.com", "https://evil.com/.example.org",
			"https://user@example.com/", "https://user:pw@example.com/", "https://example.com@evil.com/", "https://example.com:443@evil.com/",
			"https://@example.com/", "https://example.com?@evil.com/", "https://example.com#@evil.com/", "https://example.com?a@evil.com",
			"https://evil.com\\\\@example.com/", "https://example.com\\\\.evil.com/", "https:\\\\\\\\example.com/", "https:/example.com/",
			"https:example.com", "https:///example.com/",
			"//example.com/", "/example.com", "example.com", "", " https://example.com/", "https://example.com/ ", "https://example.com/a b",
			"https://exa\\tmple.com/", "https://example.com/\\n", "https://example.com\\u0000.evil.com/",
			"HTTPS://example.com/", "https://EXAMPLE.com/", "https://example.com./", "https://example%2ecom/", "https://example。com/",
			"https://exаmple.com/", "https://ⓔxample.com/",
			"ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "data:text/plain,x", "unix:///x",
			"https://8.8.4.4/", "https://134744072/", "https://0x08080808/", "https://010.010.010.010/", "https://8.8.2056/", "https://8.8.8.8./",
			"https://08.8.8.8/", "https://[::ffff:8.8.8.8]/",
			"https://[::1", "https://]/", "https://*.example.org/", "https://.example.org/",
			"https://" + strings.Repeat("a.", 130) + "example.org/", "https://example.com/" + strings.Repeat("a", 4096),
		}},
		{"http, and a port", gates.WebRules{Hosts: hosts, PlainHTTP: true, Ports: []int{8080}},
			[]string{"http://example.com:8080/", "https://example.com:8080/"},
			[]string{"http://example.com/", "https://example.com/", "http://example.com:65536/", "http://example.com:-1/"}},
		{"every host", gates.WebRules{Hosts: []string{"*"}, PlainHTTP: true},
			[]string{"http://example.com/", "https://a.b.c.museum/"},
			[]string{"http://localhost/", "http://metadata/", "http://127.1/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
				"http://2130706433/", "http://127.0.0.0x1/", "http://1.2.3.4.5/", "http://x.localhost/",
				"http://metadata.google.internal/computeMetadata/v1/", "http://printer.local/", "http://a.b.home.arpa/", "http://router.lan/",
				"http://[0:0:0:0:0:ffff:7f00:1]/"}},
		{"names for special use that are listed", gates.WebRules{Hosts: []string{"*", "x.internal", "*.corp"}},
			[]string{"https://x.internal/", "https://a.corp/", "https://internal.example.com/"}, []string{"https://y.internal/", "https://corp/"}},
		{"no host", gates.WebRules{}, nil, []string{"https://example.com/", "https://8.8.8.8/"}},
		{"private ones that are listed", gates.WebRules{Hosts: []string{"10.1.2.3", "*"}, Private: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24")}},
			[]string{"https://10.1.2.3/", "https://10.1.2.4/"}, []string{"https://10.1.3.1/", "https://127.0.0.1/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule := gates.Arg("url", gates.NewWeb(tt.rules).URL())
			for _, u := range tt.allow {
				if err := judged(t, `{"url":"`+u+`"}`, rule); err != nil {
					t.Errorf("%s: got %v, want it allowed", u, err)
				}
			}
			for _, u := range tt.deny {
				if err := judged(t, `{"url":"`+u+`"}`, rule); !isDenial(err) {
					t.Errorf("%s: got %v, want a denial", u, err)
				}
			}
			if err := judged(t, `{"url":["https://example.com"]}`, rule); !denied(err, badInput) {
				t.Errorf("a list: got %v", err)
			}
		})
	}
}

// A site is a server on a loopback address that counts who came.
type site struct {
	*httptest.Server
	came atomic.Int64
}

func newSite(t *testing.T, ip string, h http.HandlerFunc) *site {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", ip+":0")
	if err != nil {
		missing.Skip(t, "loopback", "some systems have but one address: %v", err)
	}
	s := &site{}
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.came.Add(1)
		h(w, r)
	})}}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *site) port() int {
	u, _ := url.Parse(s.URL)
	port, _ := strconv.Atoi(u.Port())
	return port
}

func greet(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// loopback allows one address to be reached, as a stand-in for a public one.
func loopback(ports ...int) gates.WebRules {
	return gates.WebRules{
		Hosts: []string{"127.0.0.1", "localhost", "*.test"}, PlainHTTP: true, Ports: ports,
		Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
}

// fetch is a tool that gets a URL with a client.
func fetch(client *http.Client, rules ...gates.Rule) middleware.Handler {
	is := []middleware.Interceptor{gates.Arguments(gates.ArgumentRules{"fetch": rules})}
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.Trim(call.Input.(string), `{}"ul:r`), nil)
		if err != nil {
			return middleware.Result{}, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return middleware.Result{}, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return middleware.Result{Output: string(b)}, err
	}, is...)
}

// TestRedirects shows that a server cannot send a tool's client to where the
// tool may not go: not to another address, port, scheme or host.
func TestRedirects(t *testing.T) {
	inner := newSite(t, "127.0.0.2", greet)
	var to string
	outer := newSite(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			greet(w, r)
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	web := gates.NewWeb(loopback(outer.port(), inner.port()))
	for _, tt := range []struct {
		to string
		ok bool
	}{
		{outer.URL + "/end", true},
		{inner.URL, false},
		{"http://[::ffff:127.0.0.2]:" + strconv.Itoa(inner.port()), false},
		{"http://2130706434:" + strconv.Itoa(inner.port()), false},
		{"http://127.2:" + strconv.Itoa(inner.port()), false},
		{"http://user@127.0.0.1:" + strconv.Itoa(outer.port()) + "/end", false},
		{"http://127.0.0.1:1/", false},
		{"http://169.254.169.254/latest/meta-data/", false},
		{"file:///etc/passwd", false},
		{outer.URL + "/", false}, // for ever
	} {
		to = tt.to
		for how, client := range map[string]*http.Client{"Client": web.Client(), "Transport": {Transport: web.Transport()}} {
			if how == "Transport" && strings.Contains(tt.to, "user@") {
				continue // of which a transport sees nothing wrong
			}
			res, err := fetch(client, gates.Arg("url", web.URL()))(t.Context(), kit.Tool("fetch", `{"url":"`+outer.URL+`"}`))
			client.CloseIdleConnections()
			if tt.ok && (err != nil || res.Output != "hello") || !tt.ok && err == nil {
				t.Errorf("%s to %s: got %v, %v", how, tt.to, res.Output, err)
			}
			if !tt.ok && !strings.HasSuffix(tt.to, "/") && !strings.HasPrefix(tt.to, "file:") && !denied(err, policy) {
				t.Errorf("%s to %s: got %v, want a denial", how, tt.to, err)
			}
		}
	}
	if n := inner.came.Load(); n > 0 {
		t.Errorf("the inner site was reached %d times", n)
	}
}

// TestPlainHTTPIsRefused shows that neither client nor transport speak http where
// it is not allowed, after a redirect or from the start.
func TestPlainHTTPIsRefused(t *testing.T) {
	s := newSite(t, "127.0.0.1", greet)
	rules := loopback(s.port())
	rules.PlainHTTP = false
	web := gates.NewWeb(rules)
	for _, client := range []*http.Client{web.Client(), {Transport: web.Transport()}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("x"))
		must(t, err)
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if !denied(err, policy) || s.came.Load() > 0 {
			t.Errorf("got %v, and %d came", err, s.came.Load())
		}
	}
}

// TestANameThatChangesItsAddress shows that what a name stands for is judged
// when the connection is made: one that by then leads inside is refused.
func TestANameThatChangesItsAddress(t *testing.T) {
	inside := newSite(t, "127.0.0.2", greet)
	outside := newSite(t, "127.0.0.1", greet)
	var answer atomic.Pointer[[4]byte]
	was := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go nameserver(ours, &answer)
		return theirs, nil
	}}
	defer func() { net.DefaultResolver = was }()
	web := gates.NewWeb(loopback(outside.port(), inside.port()))
	for _, tt := range []struct {
		ip   [4]byte
		site *site
		ok   bool
	}{{[4]byte{127, 0, 0, 1}, outside, true}, {[4]byte{127, 0, 0, 2}, inside, false}, {[4]byte{169, 254, 169, 254}, inside, false}} {
		answer.Store(&tt.ip)
		client := web.Client()
		input := `{"url":"http://rebind.test:` + strconv.Itoa(tt.site.port()) + `"}`
		res, err := fetch(client, gates.Arg("url", web.URL()))(t.Context(), kit.Tool("fetch", input))
		client.CloseIdleConnections()
		if tt.ok && (err != nil || res.Output != "hello") || !tt.ok && !denied(err, policy) {
			t.Errorf("%v: got %v, %v", tt.ip, res.Output, err)
		}
	}
	if n := inside.came.Load(); n > 0 {
		t.Errorf("the inner site was reached %d times", n)
	}
}

// nameserver answers each question with one address of IPv4, by RFC 1035.
func nameserver(conn net.Conn, answer *atomic.Pointer[[4]byte]) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, q); err != nil {
			return
		}
		end := 12
		for q[end] != 0 {
			end += int(q[end]) + 1
		}
		question := q[12 : end+5]
		r := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
		if question[len(question)-3] == 1 { // A
			r[7] = 1
			ip := answer.Load()
			r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ip[0], ip[1], ip[2], ip[3])
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)); err != nil {
			return
		}
	}
}

func TestNewWebPanics(t *testing.T) {
	for _, host := range []string{"", "Example.com", "example.com:80", "https://example.com", "example.com/", "a.*.com", "*.", "**", "127.1",
		"example.com.", "*.127.0.0.1"} {
		wantPanic(t, host, fmt.Sprintf("gates: NewWeb: %q is no host", host), func() { gates.NewWeb(gates.WebRules{Hosts: []string{host}}) })
	}
	for says, rules := range map[string]gates.WebRules{
		"gates: NewWeb: port 0":                     {Ports: []int{0}},
		"gates: NewWeb: port 65536":                 {Ports: []int{65536}},
		"gates: NewWeb: a prefix that is not valid": {Private: []netip.Prefix{{}}},
	} {
		wantPanic(t, "rules", says, func() { gates.NewWeb(rules) })
	}
	if _, err := gates.NewWeb(gates.WebRules{}).DialContext(t.Context(), "tcp", "example.com"); !denied(err, policy) {
		t.Errorf("no port: got %v", err)
	}
}
