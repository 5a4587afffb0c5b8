package evidence

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/middleware"
	"github.com/go-json-experiment/json/jsontext"
)

// contentPiece is how much of a content is encoded at a time.
const contentPiece = 64 << 10

// A contentWriter makes the JSON of snapshots. Where a content is larger than a
// piece it passes it on piece by piece, so that its JSON is never in memory as a
// whole.
type contentWriter struct {
	b       []byte // JSON that was not passed on
	passed  int    // bytes that were
	onPiece func(w *contentWriter)
	discard bool // nobody wants the rest: it goes nowhere
}

// passOn passes on what there is, if it is enough.
func (w *contentWriter) passOn() {
	switch {
	case w.discard:
		w.b = w.b[:0]
	case len(w.b) >= contentPiece:
		w.onPiece(w)
	}
}

func (w *contentWriter) count() int { return w.passed + len(w.b) }

func (w *contentWriter) add(s string) { w.b = append(w.b, s...) }

// content writes a snapshot and returns the size to record: of a text its bytes,
// of anything else those of the JSON.
func (w *contentWriter) content(snap any) (size int) {
	from := w.count()
	switch v := snap.(type) {
	case string:
		w.text(v)
		return len(v)
	case nil:
		w.add("null")
		return 0
	case *oversized:
		w.raw(v.value)
		if v.size > 0 {
			return v.size
		}
	case rawJSON:
		w.raw(v)
	case []mapEntry:
		w.fields(v)
	case *middleware.ModelRequest:
		w.request(v)
	case *middleware.ModelResponse:
		w.response(v)
	case *middleware.PlanRequest:
		w.planRequest(v)
	case *planSnapshot:
		w.add(`{"final":`)
		if v.isFinal {
			w.fields(v.final)
		} else {
			w.add("null")
		}
		w.add(`,"toolCalls":`)
		w.toolCalls(v.calls)
		w.add("}")
	}
	return w.count() - from
}

func (w *contentWriter) fields(fields []mapEntry) {
	w.add("{")
	for i, f := range fields {
		w.comma(i)
		w.name(f.name)
		if f.raw != nil {
			w.raw(f.raw)
		} else {
			w.text(f.text)
		}
	}
	w.add("}")
}

func (w *contentWriter) request(r *middleware.ModelRequest) {
	w.add(`{"messages":[`)
	for i, m := range r.Messages {
		w.comma(i)
		w.add(`{"parts":[`)
		for k, p := range m.Parts {
			w.comma(k)
			if p.Text == "" && p.Size > 0 { // binary
				w.add(`{"size":`)
				w.b = append(strconv.AppendInt(w.b, int64(p.Size), 10), '}')
			} else {
				w.text(p.Text)
			}
		}
		w.add(`],"role":`)
		w.text(m.Role)
		w.add("}")
	}
	w.add(`],"stop":[`)
	for i, s := range r.Stop {
		w.comma(i)
		w.text(s)
	}
	w.add("]}")
}

func (w *contentWriter) response(r *middleware.ModelResponse) {
	w.add(`{"choices":[`)
	for i := range r.Choices {
		c := &r.Choices[i]
		w.comma(i)
		w.add(`{"reasoning":`)
		w.text(c.Reasoning)
		w.add(`,"text":`)
		w.text(c.Text)
		w.add(`,"toolCalls":`)
		w.toolCalls(c.ToolCalls)
		w.add("}")
	}
	w.add("]}")
}

func (w *contentWriter) planRequest(r *middleware.PlanRequest) {
	w.add(`{"inputs":{`)
	for i, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		w.comma(i)
		w.name(name)
		w.text(r.Inputs[name])
	}
	w.add(`},"steps":[`)
	for i := range r.Steps {
		s := &r.Steps[i]
		w.comma(i)
		w.add(`{"observation":`)
		w.text(s.Observation)
		w.add(`,"toolCall":`)
		w.toolCall(&s.ToolCall)
		w.add("}")
	}
	w.add("]}")
}

func (w *contentWriter) toolCalls(calls []middleware.ToolCall) {
	w.add("[")
	for i := range calls {
		w.comma(i)
		w.toolCall(&calls[i])
	}
	w.add("]")
}

func (w *contentWriter) toolCall(c *middleware.ToolCall) {
	w.add(`{"input":`)
	w.text(c.Input)
	w.add(`,"name":`)
	w.text(c.Name)
	w.add("}")
}

// text writes s as a JSON string or, where s is not valid UTF-8 and no JSON
// string can hold it, as {"base64":"..."}: nothing is replaced.
func (w *contentWriter) text(s string) {
	if w.discard {
		return
	}
	if !utf8.ValidString(s) {
		w.add(`{"base64":"`)
		for len(s) > 0 && !w.discard {
			n := min(len(s), contentPiece/3*3) // whole groups of base64
			w.b = base64.StdEncoding.AppendEncode(w.b, []byte(s[:n]))
			s = s[n:]
			w.passOn()
		}
		w.add(`"}`)
		return
	}
	if len(s) <= contentPiece {
		w.b, _ = jsontext.AppendQuote(w.b, s) // fails on invalid UTF-8 only
		w.passOn()
		return
	}
	w.add(`"`)
	for len(s) > 0 && !w.discard {
		n := min(len(s), contentPiece)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		from := len(w.b)
		w.b, _ = jsontext.AppendQuote(w.b, s[:n])
		w.b = append(w.b[:from], w.b[from+1:len(w.b)-1]...) // without its quotes
		s = s[n:]
		w.passOn()
	}
	w.add(`"`)
}

func (w *contentWriter) raw(pieces rawJSON) {
	for _, v := range pieces {
		for len(v) > 0 && !w.discard {
			n := min(len(v), contentPiece)
			w.b = append(w.b, v[:n]...)
			v = v[n:]
			w.passOn()
		}
	}
}

// nameBase64 begins a name that no JSON string can hold. A name that begins like
// that is written in the same way: those that differ stay apart.
const nameBase64 = "base64:"

// name writes s as the name of a member, which must be a string.
func (w *contentWriter) name(s string) {
	if !utf8.ValidString(s) || strings.HasPrefix(s, nameBase64) {
		s = nameBase64 + base64.StdEncoding.EncodeToString([]byte(s))
	}
	w.text(s)
	w.add(":")
}

func (w *contentWriter) comma(i int) {
	if i > 0 {
		w.add(",")
	}
}
