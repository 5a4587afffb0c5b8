package gates

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/middleware"
)

// WebRules say where on the Internet a tool may go. The zero WebRules allow
// nothing.
type WebRules struct {
	// Hosts are the names of the hosts that may be reached: "example.com" for
	// that one alone, "*.example.com" for all names below it, "*" for every
	// name with a dot in it but for those that are not on the Internet, such as
	// x.localhost and metadata.google.internal. An address is a host if it is
	// listed, or by "*".
	Hosts []string

	// PlainHTTP allows http URLs beside https.
	PlainHTTP bool

	// Ports are those that may be reached. Without any they are 443, and 80
	// with PlainHTTP.
	Ports []int

	// Private lists addresses that may be reached though they are not public,
	// such as 10.1.2.0/24 or, in tests, 127.0.0.0/8.
	Private []netip.Prefix

	// Quiet has no denial name the hosts and ports, which models and users read
	// otherwise.
	Quiet bool
}

// A Web is the only part of the Internet that a tool may reach. Its condition,
// [Web.URL], judges a URL before the tool runs. What it cannot know then, the
// addresses behind a name and where a server redirects to, [Web.Transport] and
// [Web.Client] judge when a connection is made: a tool that uses them reaches
// what was judged, and nothing else. A Web is safe for concurrent use.
//
//	web := gates.NewWeb(gates.WebRules{Hosts: []string{"*.example.com"}})
//	scraper := &Scraper{Client: web.Client()}
//	...
//	gates.Arguments(gates.ArgumentRules{"scrape": {gates.Arg("url", web.URL())}})
//
// Addresses that are not public are refused however they are written or come
// about: loopback, private, link-local, shared (CGNAT), multicast, unspecified
// and reserved ones, the metadata services of clouds, and IPv6 addresses that
// hold such an IPv4 address.
type Web struct {
	hosts  map[string]struct{} // names, in lower case
	below  []string            // ".example.com"
	any    bool
	plain  bool
	ports  []uint16
	screen *screen
	of     string // what denials say that a URL must be one of
}

// unnamedHost is what denials say where they name no host.
const unnamedHost = "a host that the tool may reach"

// NewWeb makes a Web of rules. It panics if a host is empty, has an upper-case
// letter, a port, a path or a star in another place than first, if a port is out
// of range, or if a prefix is not valid.
func NewWeb(rules WebRules) *Web {
	w := &Web{hosts: make(map[string]struct{}), plain: rules.PlainHTTP, screen: newScreen(slices.Clone(rules.Private))}
	for _, host := range rules.Hosts {
		name, below := strings.CutPrefix(host, "*.")
		_, err := netip.ParseAddr(host)
		switch {
		case host == "*":
			w.any = true
		case err == nil && !below:
			w.hosts[netip.MustParseAddr(host).String()] = struct{}{}
		case !hostname(name):
			panic(fmt.Sprintf("gates: NewWeb: %q is no host", host))
		case below:
			w.below = append(w.below, "."+name)
		default:
			w.hosts[name] = struct{}{}
		}
	}
	for _, port := range rules.Ports {
		if port <= 0 || port > 65535 {
			panic(fmt.Sprintf("gates: NewWeb: port %d", port))
		}
		w.ports = append(w.ports, uint16(port))
	}
	if len(w.ports) == 0 {
		w.ports = []uint16{443}
		if w.plain {
			w.ports = append(w.ports, 80)
		}
	}
	for _, p := range rules.Private {
		if !p.IsValid() {
			panic("gates: NewWeb: a prefix that is not valid")
		}
	}
	if w.of = unnamedHost; !rules.Quiet {
		w.of = rules.named(w)
	}
	return w
}

// named says where the rules, which are those of w, let a tool go.
func (r *WebRules) named(w *Web) string {
	if len(r.Hosts) == 0 {
		return unnamedHost + ": there is none"
	}
	of := unnamedHost + ", by https"
	if w.plain {
		of += " or http"
	}
	if len(r.Ports) > 0 {
		of += " at port " + shown.List(r.Ports, strconv.Itoa)
	}
	return of + ": " + shown.List(r.Hosts, shown.Text)
}

// URL is satisfied by absolute URLs of hosts and ports that may be reached, by
// https, or by http where that is allowed.
//
// A URL that some client may read in another way does not satisfy it: with a user,
// or an @ before the first slash of its path, with white space, a control
// character, a backslash or a byte that is not ASCII, with a host that is written
// with an upper-case letter, an escape, a dot at its end, or as a number
// (0x7f000001, 127.1), or one of over 4096 bytes.
func (w *Web) URL() Condition {
	c := Condition{judge: func(v value) answer {
		s, ok := v.str()
		if !ok {
			return answerUnknown
		}
		return answerIf(w.reaches(s))
	}}
	return c.saying("be the URL of "+w.of, "be the URL of "+unnamedHost)
}

func (w *Web) reaches(s string) bool {
	if s == "" || len(s) > maxPath || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.User != nil || !w.scheme(u.Scheme) {
		return false
	}
	rest, ok := strings.CutPrefix(s, u.Scheme+"://") // in lower case, and two slashes
	if !ok || u.Host == "" || !strings.HasPrefix(rest, u.Host) {
		return false
	}
	if before, _, _ := strings.Cut(rest, "/"); strings.Contains(before, "@") {
		return false // a?@b: some take what is before the @ for a user
	}
	port := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	return w.port(port) && w.host(u.Hostname())
}

func (w *Web) scheme(s string) bool { return s == "https" || s == "http" && w.plain }

func (w *Web) port(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s && slices.Contains(w.ports, uint16(n))
}

// host reports whether a host may be reached, as far as its name says.
func (w *Web) host(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		_, listed := w.hosts[ip.String()]
		return (listed || w.any) && w.screen.allows(ip)
	}
	if !hostname(name) {
		return false
	}
	if _, ok := w.hosts[name]; ok || w.any && onInternet(name) {
		return true
	}
	return slices.ContainsFunc(w.below, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// onInternet reports whether the name of a host may be one of the Internet. Those at
// the end of which is a name for special use (RFC 6761 and others, by IANA's
// registry) or one that private networks use (RFC 6762, appendix G) are not.
func onInternet(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	switch name[dot+1:] {
	case "alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test",
		"corp", "home", "intranet", "lan", "localdomain", "private":
		return false
	}
	return dot >= 0
}

// hostname reports whether s is the name of a host, in lower case. One whose
// last label begins with a digit is a number, which parsers read as an address
// in several ways.
func hostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
		last = label
	}
	return last[0] < '0' || last[0] > '9'
}

// DialContext connects to a host and port that may be reached. Each address
// behind the name is judged as the connection to it is made, so that a name
// which changes its addresses gains nothing. A refusal is a
// [*middleware.DeniedError] with [middleware.CodePolicy].
func (w *Web) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, w.deny(err)
	}
	if !w.port(port) || !w.host(host) {
		return nil, w.deny(nil)
	}
	d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, ControlContext: w.control}
	return d.DialContext(ctx, network, address)
}

// control sees each connection before it is made.
func (w *Web) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || !slices.Contains(w.ports, to.Port()) || !w.screen.allows(to.Addr()) {
		return w.deny(err)
	}
	return nil
}

func (w *Web) deny(cause error) error {
	return &middleware.DeniedError{
		Gate: argumentsName, Code: middleware.CodePolicy, Err: cause,
		Reason: "the URL must be of " + w.of,
	}
}

// Transport returns a new transport that reaches what [Web.DialContext] does,
// redirects included. It uses no proxy, which would make the connections in its
// place.
func (w *Web) Transport() *http.Transport {
	t := &http.Transport{
		DialContext: w.DialContext, ForceAttemptHTTP2: true,
		MaxIdleConns: 100, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if !w.plain {
		t.RegisterProtocol("http", noPlainHTTP{w})
	}
	return t
}

// Client returns a new client that uses a [Web.Transport] and judges each URL as
// [Web.URL] does, redirects included, of which it follows up to ten.
func (w *Web) Client() *http.Client {
	return &http.Client{
		Transport: webTripper{w, w.Transport()},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > 10 {
				return fmt.Errorf("gates: stopped after %d redirects", len(via)-1)
			}
			return nil
		},
	}
}

// A webTripper judges URLs before its transport sees them.
type webTripper struct {
	web  *Web
	next *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (t webTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || !t.web.reaches(req.URL.String()) {
		return t.web.refuse(req)
	}
	return t.next.RoundTrip(req)
}

// CloseIdleConnections lets the client close them.
func (t webTripper) CloseIdleConnections() { t.next.CloseIdleConnections() }

// noPlainHTTP refuses http URLs.
type noPlainHTTP struct{ web *Web }

// RoundTrip implements [http.RoundTripper].
func (p noPlainHTTP) RoundTrip(req *http.Request) (*http.Response, error) { return p.web.refuse(req) }

func (w *Web) refuse(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close() // as a RoundTripper must
	}
	return nil, w.deny(nil)
}
