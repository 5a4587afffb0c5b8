// Package option has the names of OpenAI's client.
package option

type RequestOption any

func WithAPIKey(key string) RequestOption { return nil }
