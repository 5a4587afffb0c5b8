// Package httpreplay answers HTTP requests from recordings, so that examples
// and tests drive real clients without a network, and makes such recordings:
//
//	t, err := httpreplay.Open("testdata/chat.httprr")
//	...
//	model, err := openai.New(openai.WithHTTPClient(t.Client()))
//
// A test that can do both has a flag for it:
//
//	var record = flag.Bool("record", false, "ask the provider, and write down what it answers")
//
//	func client(t *testing.T) *http.Client {
//		const name = "testdata/chat.httprr"
//		if *record {
//			r, err := httpreplay.Create(name, httpreplay.RecordOptions{Overwrite: true})
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() {
//				if err := r.Close(); err != nil { // writes the recording, or says why not
//					t.Error(err)
//				}
//			})
//			return r.Client()
//		}
//		replay, err := httpreplay.Open(name)
//		if err != nil {
//			t.Fatal(err)
//		}
//		return replay.Client()
//	}
//
// # What is kept of secrets
//
// Of the headers a recording has Accept, Content-Type, Location, Retry-After and those
// that RecordOptions.Keep names: no Authorization, no keys, no cookies. Values of
// parameters in a URL that are for a secret by their name are [Scrubbed], and its user
// and password are left out. Names of organizations that stand in headers are replaced
// in bodies too, and so are OpenAI's IDs of them.
//
// A recording is refused that holds what was sent as a secret, anywhere, or what has
// the form of a well-known key. That is a net below, and no proof: look at a recording
// before you publish it.
//
// # Streams
//
// While it is recorded, a stream of server-sent events or of lines of JSON
// (application/x-ndjson) reaches the client as it comes. It is written down in one chunk
// for each event or line, and replayed one a Read. Where the client has enough of it,
// by Close or by its context, it ends in the recording too. Every other response is
// read whole before the client gets it.
//
// # The format
//
// It is httprr, that of the recordings that langchaingo ships, which are read plain or
// compressed with gzip. The same traffic makes the same bytes. A recording looks like
// this:
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
