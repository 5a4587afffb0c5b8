// Package httpreplay answers HTTP requests from recordings, so that examples
// and tests drive real clients without a network:
//
//	t, err := httpreplay.Open("testdata/chat.httprr")
//	...
//	model, err := openai.New(openai.WithHTTPClient(t.Client()))
//
// It reads the httprr format of the recordings that langchaingo ships, plain or
// compressed with gzip. A recording looks like this:
//
//	httprr trace v1
//	107 88
//	POST https://api.example.com/v1/chat HTTP/1.1
//	Host: api.example.com
//	Content-Length: 15
//
//	{"prompt":"hi"}HTTP/1.1 200 OK
//	Content-Type: application/json
//	Content-Length: 17
//
//	{"text":"hello"}
//
// The two numbers are the lengths in bytes of the request and the response that
// follow, both in the wire form of HTTP/1.1, with lines that end in CRLF.
package httpreplay
