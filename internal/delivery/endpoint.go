package delivery

import (
	"net"
	"net/url"
)

// Origin returns the scheme and host of a URL, for people. What else a URL that was
// not checked holds may be secret.
func Origin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "no URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// IsLoopback reports whether a host, by name or address, is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
