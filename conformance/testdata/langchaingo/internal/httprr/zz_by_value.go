package httprr

import (
	"encoding/json"
	"reflect"
	"sort"
	"strings"
)

// byValue finds a recorded request that differs from reqLog in nothing but the
// spelling of its JSON body.
func (rr *RecordReplay) byValue(reqLog string) (respLog string, ok bool) {
	want, wantBody, ok := splitRequest(reqLog)
	if !ok {
		return "", false
	}
	var requests []string
	for request := range rr.replay {
		if got, gotBody, ok := splitRequest(request); ok && got == want && reflect.DeepEqual(gotBody, wantBody) {
			requests = append(requests, request)
		}
	}
	if len(requests) == 0 {
		return "", false
	}
	sort.Strings(requests)
	return rr.replay[requests[0]], true
}

// splitRequest returns the head of a request, without its length, and the value
// of its body.
func splitRequest(request string) (head string, body any, ok bool) {
	head, text, ok := strings.Cut(request, "\r\n\r\n")
	if !ok || json.Unmarshal([]byte(text), &body) != nil {
		return "", nil, false
	}
	// The scrubbers of httprr leave lines that end in LF among those in CRLF.
	lines := strings.Split(strings.ReplaceAll(head, "\r\n", "\n"), "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, "Content-Length: ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n"), body, true
}
