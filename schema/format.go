package schema

import "github.com/santhosh-tekuri/jsonschema/v5"

// formats take the place of those of jsonschema's formats that cost more than
// linear time in the length of a string. Longer strings do not have the format.
var formats = map[string]func(any) bool{
	"duration": atMost(MaxPattern, jsonschema.Formats["duration"]),
	"regex":    atMost(MaxPattern, jsonschema.Formats["regex"]),
}

func atMost(n int, format func(any) bool) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return (!ok || len(s) <= n) && format(v)
	}
}
