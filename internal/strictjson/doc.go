// Package strictjson holds what is strict about how this module reads JSON, once
// for all of its packages: two readers of one contract that disagree are a hole.
package strictjson
