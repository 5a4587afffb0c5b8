package gates

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
)

// A memberRead is what a reader said of one member of an object, or item of an array.
type memberRead struct {
	name     string
	hash     uint64
	from, to int
	clean    bool
}

// oldObject reads an object as Arguments did.
func oldObject(input string) (all []memberRead, object bool, wrong string) {
	var r reader
	r.read(input)
	if !r.take('{') && r.fault == oldFaultNone {
		return nil, false, ""
	}
	r.depth--
	names := r.names()
	for n := 0; !r.take('}'); n++ {
		name := r.name(n)
		folded := oldFoldHash(name)
		if r.fault == oldFaultNone {
			r.unique(&names, folded)
		}
		r.space()
		m := memberRead{from: r.pos}
		if r.pos < len(input) && input[r.pos] == '"' {
			m.clean = !r.text().escaped
		} else {
			r.value()
		}
		if r.fault != oldFaultNone {
			break
		}
		m.name, m.hash, m.to = name.String(), folded, r.pos
		all = append(all, m)
	}
	if r.end(); r.fault != oldFaultNone {
		return all, true, r.fault.String()
	}
	return all, true, ""
}

func newObject(input string) (all []memberRead, object bool, wrong string) {
	var r strictjson.Reader
	r.Init(input)
	if r.Next() != '{' && r.Fault() == nil {
		return nil, false, ""
	}
	var names strictjson.NameSet[uint64]
	r.Open()
	for n := 0; r.More(n, '}'); n++ {
		name := r.Name()
		r.Colon()
		folded := name.FoldHash()
		r.Unique(&names, folded)
		first := r.Next()
		m := memberRead{from: r.Offset()}
		if first == '"' {
			m.clean = !r.Text().Escaped()
		} else {
			r.Skip()
		}
		if r.Fault() != nil {
			break
		}
		m.name, m.hash, m.to = name.String(), folded, r.Offset()
		all = append(all, m)
	}
	if r.End(); r.Fault() != nil {
		return all, true, wrongWith(r.Fault())
	}
	return all, true, ""
}

// oldAll reads a list or an object as conditions did.
func oldAll(raw string) (all []memberRead, ok bool) {
	open := raw[0]
	r := reader{mode: oldReadAgain}
	r.read(raw)
	r.enter()
	for n := 0; !r.take(open + 2); n++ {
		var name oldQuoted
		if open == '{' {
			name = r.name(n)
		} else if n > 0 {
			r.take(',')
		}
		r.space()
		from := r.pos
		r.value()
		if r.fault != oldFaultNone {
			return nil, false
		}
		all = append(all, memberRead{name.String(), oldFoldHash(name), from, r.pos, false})
	}
	return all, true
}

func oldStr(raw string) string {
	q := oldQuoted{raw: raw[1 : len(raw)-1]}
	q.escaped = strings.IndexByte(q.raw, '\\') >= 0
	return q.String()
}

func oldArguments(seed uint64, input string) uint64 {
	var r reader
	r.seed, r.mode = seed, oldReadHash
	r.read(input)
	args := r.value()
	if r.end(); r.fault != oldFaultNone {
		args = oldHashText(seed, strings.TrimSpace(input))
	}
	return args
}

// FuzzReadersOfBefore holds the one reader against those of before.
func FuzzReadersOfBefore(f *testing.F) {
	deep := strings.Repeat(`{"a":[`, 32)
	for _, text := range append(append(jsontest.StrictTexts(), jsontest.Instances()...),
		`{"x":"a","y":[1,{"z":null}],"Z":"\n\u00e9\ud83d\ude00\/"}`, ` { "cabinClass" : "economy" , "KABIN" : { "a" : [ ] } } `,
		deep+`1`+strings.Repeat(`]}`, 32), deep+`[]`+strings.Repeat(`]}`, 32), `{"a":1,"A"`, `{"a":1,"A" 2}`, `{"\ud800":1,"\ud800":1}`,
		`{"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"H":8}`,
		`[1e400,-1e-400,123456789012345678901234567890,0.1e1,01,1.]`,
	) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, input := range []string{text, `{"v":` + text + `}`, `{"a":1,` + text + `,"A":2}`} {
			wantAsBefore(t, input)
		}
	})
}

func wantAsBefore(t *testing.T, text string) {
	t.Helper()
	for _, twins := range []bool{false, true} {
		want, wantFault := oldParse(text, 1<<20, twins)
		got, fault := strictjson.Parse(text, 1<<20, twins)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got parsed as %v, want %v", text, got, want)
		}
		if fault != nil && len(fault.Path) == 0 {
			fault.Path = nil
		}
		if wantFault != nil && len(wantFault.Path) == 0 {
			wantFault.Path = nil
		}
		if !reflect.DeepEqual(fault, wantFault) {
			t.Errorf("%q: got fault %+v, want %+v", text, fault, wantFault)
		}
	}

	all, object, wrong := newObject(text)
	wantAll, wantObject, wantWrong := oldObject(text)
	if wrong != "" && len(all) < len(wantAll) {
		wantAll = wantAll[:len(all)] // 01 was 0 and then a fault, and is a fault where it begins
	}
	if object != wantObject || wrong != wantWrong || !slices.Equal(all, wantAll) {
		t.Errorf("%q: got %v, %v, %q; want %v, %v, %q", text, all, object, wrong, wantAll, wantObject, wantWrong)
	}

	if got, want := hashArguments(7, text), oldArguments(7, text); got != want {
		t.Errorf("%q: got hash %x, want %x", text, got, want)
	}

	var r reader
	r.read(text)
	r.value()
	if r.end(); r.fault != oldFaultNone {
		return
	}
	raw := strings.Trim(text, " \t\r\n")
	switch raw[0] {
	case '"':
		if got, want := strictjson.Unquote(raw), oldStr(raw); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	case '{', '[':
		var got []memberRead
		ok := value{raw: raw}.all(raw[0], func(name strictjson.Text, item value) bool {
			from := 0
			if len(got) > 0 {
				from = got[len(got)-1].to
			}
			from += strings.Index(raw[from:], item.raw)
			got = append(got, memberRead{name.String(), name.FoldHash(), from, from + len(item.raw), false})
			return true
		})
		want, wantOK := oldAll(raw)
		if ok != wantOK || len(got) != len(want) {
			t.Fatalf("%q: got %v, %v, want %v, %v", text, got, ok, want, wantOK)
		}
		for i := range want {
			if got[i].name != want[i].name || got[i].hash != want[i].hash || raw[want[i].from:want[i].to] != rawOf(raw, got[i]) {
				t.Errorf("%q: got %v, want %v", text, got[i], want[i])
			}
		}
	}
}

func rawOf(raw string, m memberRead) string { return raw[m.from:m.to] }
