package gates

import (
	"net/netip"
)

// notPublic are the addresses that are not out on the Internet, by the registries
// of special-purpose addresses of IANA (RFC 6890), and the metadata services of
// clouds that are not among them. What is not listed and is IPv4, or in
// 2000::/3, is public.
func notPublic() []netip.Prefix {
	list := []string{
		"0.0.0.0/8",         // this network, unspecified
		"10.0.0.0/8",        // private
		"100.64.0.0/10",     // shared with the carrier (CGNAT); metadata of Alibaba
		"127.0.0.0/8",       // loopback
		"168.63.129.16/32",  // metadata of Azure, a public address
		"169.254.0.0/16",    // link-local; metadata of most clouds
		"172.16.0.0/12",     // private
		"192.0.0.0/24",      // protocol assignments; metadata of Oracle
		"192.0.2.0/24",      // documentation
		"192.31.196.0/24",   // AS112
		"192.52.193.0/24",   // AMT
		"192.88.99.0/24",    // 6to4 relays
		"192.168.0.0/16",    // private
		"192.175.48.0/24",   // AS112
		"198.18.0.0/15",     // benchmarks
		"198.51.100.0/24",   // documentation
		"203.0.113.0/24",    // documentation
		"224.0.0.0/4",       // multicast
		"240.0.0.0/4",       // reserved, broadcast
		"2001::/23",         // protocol assignments: Teredo, ORCHID and others
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4: holds an IPv4 address
		"2620:4f:8000::/48", // AS112
		"3fff::/20",         // documentation
		"2000::/16",         // never given out
	}
	prefixes := make([]netip.Prefix, len(list))
	for i, s := range list {
		prefixes[i] = netip.MustParsePrefix(s)
	}
	return prefixes
}

// A screen tells public addresses from all others.
type screen struct {
	notPublic []netip.Prefix
	global    netip.Prefix // of IPv6, all that is given out
	nat64     netip.Prefix // holds an IPv4 address in its last 32 bits
	allowed   []netip.Prefix
}

func newScreen(allowed []netip.Prefix) *screen {
	return &screen{
		notPublic: notPublic(),
		global:    netip.MustParsePrefix("2000::/3"),
		nat64:     netip.MustParsePrefix("64:ff9b::/96"),
		allowed:   allowed,
	}
}

// allows reports whether a connection to ip may be made. An IPv4 address in the
// clothes of IPv6 is judged as what it is.
func (s *screen) allows(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	for _, p := range s.allowed {
		if p.Contains(ip) {
			return true
		}
	}
	if ip.Is6() {
		b := ip.As16()
		within := netip.AddrFrom4([4]byte(b[12:]))
		switch {
		case s.nat64.Contains(ip):
			ip = within
		case !s.global.Contains(ip):
			return false
		case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
			return s.public(ip) && s.public(within)
		}
	}
	return s.public(ip)
}

// public reports whether ip is none of those that are not.
func (s *screen) public(ip netip.Addr) bool {
	for _, p := range s.notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
