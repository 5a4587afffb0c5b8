// Package strictjson holds what is strict about how this module reads JSON, once
// for all of its packages: two readers of one contract that disagree are a hole.
//
// Which names of an object count as the same is in names.go, what is the same but
// for case in fold.go, the grammar in reader.go, escape.go and text.go, numbers in
// decimal.go, how deep and how large in limits.go, and what is said of a fault in
// fault.go.
package strictjson
