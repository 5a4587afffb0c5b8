package schema

import "strings"

// A Draft is a version of JSON Schema.
type Draft int

// The drafts that a schema may have.
const (
	Draft4    Draft = 4
	Draft6    Draft = 6
	Draft7    Draft = 7
	Draft2019 Draft = 2019 // 2019-09
	Draft2020 Draft = 2020 // 2020-12
)

// drafts are the ones that a $schema may name, by its URL without the scheme and
// without an empty fragment.
var drafts = map[string]Draft{
	"json-schema.org/draft-04/schema":      4,
	"json-schema.org/draft-06/schema":      6,
	"json-schema.org/draft-07/schema":      7,
	"json-schema.org/draft/2019-09/schema": 2019,
	"json-schema.org/draft/2020-12/schema": 2020,
	"json-schema.org/schema":               2020, // the latest that jsonschema has
}

// draftOf returns the draft whose metaschema is at the URL.
func draftOf(u string) (Draft, bool) {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(u, scheme); ok {
			d, ok := drafts[strings.TrimSuffix(rest, "#")]
			return d, ok
		}
	}
	return 0, false
}
