package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/format"
	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/plan"
)

// A Schema is a compiled JSON Schema. It is immutable and safe for concurrent
// use. The zero Schema decides nothing: every judgement is indeterminate.
type Schema struct {
	name    string
	text    []byte
	opts    Options
	root    *jsonschema.Schema
	lenient *jsonschema.Schema // with the formats of jsonschema; nil where root accepts no more
	bill    *cost.Bill
	plan    *plan.Plan             // nil where jsonschema must judge everything
	nodes   map[string]*graph.Node // by their locations
	names   map[string]struct{}    // of all properties that the schema mentions

	metaschema bool // the schema refers to one, which judges regular expressions

	closed func() *Schema // as a contract for arguments, made once
}

// Compile returns the schema that a JSON text describes. The name, which is not
// part of the text, stands for it in errors and denials, so that it is shown to
// models and users: "transfer", say.
//
// What it accepts and refuses is said in the package's documentation. The error says
// what is wrong and where, by a JSON Pointer or a byte offset into the text.
func Compile(name string, text []byte) (*Schema, error) {
	return CompileWith(name, text, Options{})
}

// MustCompile is like [Compile] but panics where Compile returns an error. It is
// for schemas that are part of a program.
func MustCompile(name, text string) *Schema {
	s, err := Compile(name, []byte(text))
	if err != nil {
		panic(err.Error())
	}
	return s
}

// compile compiles the schema's text.
func (s *Schema) compile() error {
	src, err := s.opts.read(s.text)
	if err != nil {
		return err
	}
	found, err := takeSurvey(src, s.opts.Draft)
	if err != nil {
		return err
	}
	root, dynamic, err := compile(s.text, found, s.opts, format.Strict)
	if err != nil {
		return err
	}
	if s.bill, s.nodes, err = cost.Analyse(root, dynamic, found.programs); err != nil {
		return err
	}
	if s.opts.FormatIsAnnotation {
		forgetFormats(s.nodes)
	}
	s.root, s.names, s.metaschema = root, mentioned(s.nodes), judgesPatterns(s.nodes)
	if negatesFormats(s.nodes) {
		if s.lenient, _, err = compile(s.text, found, s.opts, format.Linear); err != nil {
			return err
		}
	}
	s.plan = plan.Lower(root, found.programs)
	s.closed = sync.OnceValue(func() *Schema {
		c := *s
		if c.root = closeArguments(root); c.root != root { // which costs no more
			c.plan = plan.Lower(c.root, found.programs)
		}
		if s.lenient != nil {
			c.lenient = closeArguments(s.lenient)
		}
		return &c
	})
	return nil
}

// asArguments returns the schema as a contract for arguments.
func (s *Schema) asArguments() *Schema {
	if s.closed == nil {
		return s // the zero Schema, which decides nothing
	}
	return s.closed()
}

// mentioned returns the names of all properties that the schemas mention.
func mentioned(nodes map[string]*graph.Node) map[string]struct{} {
	names := make(map[string]struct{})
	add := func(list ...string) {
		for _, name := range list {
			names[name] = struct{}{}
		}
	}
	for _, n := range nodes {
		for name := range n.Properties {
			add(name)
		}
		add(n.Required...)
		for name, required := range n.DependentRequired {
			add(name)
			add(required...)
		}
		for name := range n.DependentSchemas {
			add(name)
		}
		for name, v := range n.Dependencies {
			add(name)
			required, _ := v.([]string)
			add(required...)
		}
	}
	return names
}

// String returns the name of the schema.
func (s *Schema) String() string { return s.name }

// JSON returns a copy of the text that the schema was compiled from, without its
// resources, to hand to a model's provider. It is nil for the zero Schema.
func (s *Schema) JSON() []byte { return bytes.Clone(s.text) }

// Validate judges a JSON text. The error is nil if it satisfies the schema, a
// [*ValidationError] if it does not, and wraps [ErrIndeterminate] if that could
// not be found out.
//
// The text must be strict JSON: one value in valid UTF-8, within the limits of
// this package, without lone surrogates, and without two properties of one
// object whose names are the same but for case. Nor may the name of a property
// differ in case alone from one that the schema declares for the object. Parsers
// disagree about such texts; in Go, encoding/json would take the other property
// for the one that was judged.
func (s *Schema) Validate(instance []byte) error {
	_, err := s.judge(strictjson.View(instance))
	return err
}

// Normalize judges a JSON text as Validate does and returns what was judged,
// serialised again: without white space, with strings escaped as little as may
// be, properties in the order and numbers in the notation in which they came.
// The text is not modified; where it is in that form already it is what comes
// back, and not a copy. On error the result is nil.
func (s *Schema) Normalize(instance []byte) ([]byte, error) {
	normal, err := s.judge(strictjson.View(instance))
	switch {
	case err != nil:
		return nil, err
	case normal:
		return instance, nil
	}
	return strictjson.AppendNormal(make([]byte, 0, len(instance)), strictjson.View(instance)), nil
}

// normalize is Normalize for a string.
func (s *Schema) normalize(text string) (string, error) {
	normal, err := s.judge(text)
	switch {
	case err != nil:
		return "", err
	case normal:
		return text, nil
	}
	return strictjson.Normal(text), nil
}

// ValidateValue judges a Go value by the JSON that package encoding/json makes of
// it. The error is as for Validate, and wraps ErrIndeterminate where no JSON can
// be made, or only by changing a string that is no UTF-8.
func (s *Schema) ValidateValue(v any) error {
	_, err := s.judgeValue(v)
	return err
}

// judgeValue judges a Go value and returns the JSON that was judged.
func (s *Schema) judgeValue(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		// The error may quote the value.
		return "", s.indeterminate(fmt.Errorf("no JSON can be made of a %T", v))
	}
	if replaced(text) {
		return "", s.indeterminate(fmt.Errorf("the %T holds invalid UTF-8", v))
	}
	if _, err := s.judge(strictjson.View(text)); err != nil {
		return "", err
	}
	return strictjson.View(text), nil
}

// replaced reports whether json.Marshal put U+FFFD in the place of invalid
// UTF-8. It writes that as an escape, and a U+FFFD of the value's as it is.
func replaced(text []byte) bool {
	escape := []byte(`\ufffd`)
	for {
		i := bytes.Index(text, escape)
		if i < 0 {
			return false
		}
		before := text[:i]
		if slashes := len(before) - len(bytes.TrimRight(before, `\`)); slashes%2 == 0 {
			return true
		}
		text = text[i+len(escape):]
	}
}

// judge judges a JSON text. It reports whether the text is certainly what
// Normalize makes of it.
func (s *Schema) judge(text string) (normal bool, err error) {
	if normal, ok := s.accepts(text); ok {
		return normal, nil
	}
	return false, s.judgeSlowly(text)
}

// judgeSlowly has jsonschema judge a text.
func (s *Schema) judgeSlowly(text string) error {
	if s.root == nil {
		return s.indeterminate(errors.New("the Schema is zero"))
	}
	doc, f := strictjson.Parse(text, MaxBytes, false)
	if f != nil {
		return s.violated(f)
	}
	if !s.bill.Affords(doc) {
		return s.violated(&strictjson.Fault{Keyword: KeywordWork, Reason: "has too many values for this schema", Offset: -1})
	}
	if s.metaschema && holdsLongPattern(doc.Value) {
		return s.violated(&strictjson.Fault{Keyword: KeywordWork, Reason: "holds a regular expression that is too long", Offset: -1})
	}
	if err := s.validate(s.root, doc.Value); err != nil || s.lenient == nil {
		return err
	}
	return s.validate(s.lenient, doc.Value)
}

// validate has one of the compiled schemas judge a decoded value.
func (s *Schema) validate(by *jsonschema.Schema, v any) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case graph.TwinError:
			err = s.twin(r, v)
		default:
			// The panic's value may hold part of the instance.
			err = s.indeterminate(errors.New("the validator panicked"))
		}
	}()
	err = by.Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return s.report(invalid, v)
	}
	return s.indeterminate(errors.New("the validator gave up"))
}

func (s *Schema) indeterminate(why error) error {
	return fmt.Errorf("schema: %s: %w: %w", s.name, ErrIndeterminate, why)
}

// accepts reports whether the fast path accepts the text, and then whether it is
// in the form that Normalize returns already.
func (s *Schema) accepts(text string) (normal, ok bool) {
	if s.plan == nil || len(text) > MaxBytes {
		return false, false
	}
	read, ok := s.plan.Accept(text)
	return read.Normal, ok && s.bill.Covers(len(text), read.Values, read.Depth)
}
