package httpsink

import "net/http"

// SetTransport has a Sink use another transport.
func SetTransport(s *Sink, t http.RoundTripper) { s.client.Transport = t }
