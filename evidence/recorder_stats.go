package evidence

import (
	"encoding/json"
	"fmt"
)

// Vars returns the Stats, as they are whenever it is asked, as an expvar.Var:
//
//	expvar.Publish("safeconduct", recorder.Vars())
//
// Its String gives JSON: the fields of [Stats] by the names in their tags, and the
// classes of errors, never what they say. This package does not import expvar,
// which would serve /debug/vars on the default mux.
func (r *Recorder) Vars() fmt.Stringer { return vars{r} }

type vars struct{ recorder *Recorder }

type exporterVars struct {
	ExporterStats
	Error       []string `json:"error,omitempty"`
	CursorError []string `json:"cursorError,omitempty"`
}

// String returns JSON.
func (v vars) String() string {
	s := v.recorder.Stats()
	out := struct {
		Stats
		Error     []string       `json:"error,omitempty"`
		Exporters []exporterVars `json:"exporters,omitempty"`
	}{Stats: s, Error: classes(v.recorder.Err())}
	for _, x := range s.Exporters {
		out.Exporters = append(out.Exporters, exporterVars{x, classes(x.Err), classes(x.CursorErr)})
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic("evidence: stats: " + err.Error()) // there is nothing in them that JSON cannot hold
	}
	return string(b)
}
