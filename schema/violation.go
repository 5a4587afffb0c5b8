package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// ErrIndeterminate is wrapped by the error of a judgement that came to no end:
// the validator panicked, or the [Schema] is zero. A gate denies for it.
var ErrIndeterminate = errors.New("the schema could not decide")

// The Keywords of violations that no keyword of JSON Schema stands for, and that
// are found whatever the schema says. None of them is a keyword of JSON Schema.
const (
	KeywordSize      = strictjson.KeywordSize      // more than MaxBytes
	KeywordEncoding  = strictjson.KeywordEncoding  // invalid UTF-8, or a lone surrogate
	KeywordSyntax    = strictjson.KeywordSyntax    // not JSON, or something after it
	KeywordDepth     = strictjson.KeywordDepth     // nested deeper than MaxDepth
	KeywordNumber    = strictjson.KeywordNumber    // beyond MaxDigits, MinExponent or MaxExponent
	KeywordDuplicate = strictjson.KeywordDuplicate // two properties of one name
	KeywordTwin      = strictjson.KeywordTwin      // a name that differs in case alone from another, or from one of the schema's
	KeywordWork      = "work"                      // more than MaxWork
	KeywordFit       = "fit"                       // more than the Go type of Decode holds
)

// A Violation is one way in which an instance fails to satisfy a schema. It
// holds what the schema says and where, and nothing that the instance brought:
// neither values nor the names of properties that the schema does not mention.
type Violation struct {
	// Pointer leads to the offending value, as a JSON Pointer (RFC 6901).
	// It is empty for the whole instance. In the place of a property name
	// that the schema does not mention anywhere stands "*".
	Pointer string

	// Keyword is the schema's keyword that is not satisfied, such as
	// "maximum", or one of the constants that begin with Keyword.
	Keyword string

	// Reason says what the value must be, and is safe to show.
	Reason string
}

// String returns a sentence, such as "/amount must be at most 100".
func (v Violation) String() string {
	if v.Pointer == "" {
		return "the value " + v.Reason
	}
	return phrase.Visible(phrase.Clip(v.Pointer, MaxReason)) + " " + v.Reason
}

// A ValidationError reports that an instance does not satisfy a schema. Find it
// with errors.As. Like its violations it is safe to show.
type ValidationError struct {
	Schema string // the name that Compile got

	// Violations are at least one and at most MaxViolations, in order of
	// their Pointers. Where alternatives fail, the violations are those of
	// the one that was meant, if the types leave no doubt, and else stand
	// for all.
	Violations []Violation

	More int // how many other violations there are
}

// Error lists the violations.
func (e *ValidationError) Error() string { return "schema: " + e.Schema + ": " + e.sentence() }

// sentence lists as many violations as fit into four times MaxReason bytes, but
// at least one.
func (e *ValidationError) sentence() string {
	var b strings.Builder
	more := e.More
	for i, v := range e.Violations {
		s := v.String()
		if i > 0 && b.Len()+len(s) > 4*MaxReason {
			more += len(e.Violations) - i
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(s)
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// violated makes a ValidationError of a fault of the strict parse.
func (s *Schema) violated(f *strictjson.Fault) error {
	reason := s.discreet(f.Keyword, f.Reason)
	if f.Offset >= 0 {
		reason += " (byte " + strconv.Itoa(f.Offset) + ")"
	}
	return &ValidationError{Schema: s.name, Violations: []Violation{{
		Pointer: s.pointer(f.Path), Keyword: f.Keyword, Reason: reason,
	}}}
}

// pointer prints a path. Names that the schema does not mention are the
// instance's own and are left out.
func (s *Schema) pointer(path []strictjson.Step) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		switch {
		case p.Index >= 0:
			b.WriteString(strconv.Itoa(p.Index))
		case s.mentions(p.Name):
			b.WriteString(escapeToken(p.Name))
		default:
			b.WriteByte('*')
		}
	}
	return b.String()
}

func (s *Schema) mentions(name string) bool {
	_, ok := s.names[name]
	return ok
}

// escapeToken escapes a reference token as RFC 6901 says.
func escapeToken(token string) string {
	if strings.ContainsAny(token, "~/") {
		return strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return token
}

// textError returns a fault of a schema's own text.
func textError(f *strictjson.Fault) error {
	if f.Offset >= 0 {
		return fmt.Errorf("the text %s (byte %d)", f.Reason, f.Offset)
	}
	var b strings.Builder
	for _, p := range f.Path {
		b.WriteByte('/')
		if p.Index >= 0 {
			b.WriteString(strconv.Itoa(p.Index))
		} else {
			b.WriteString(escapeToken(p.Name))
		}
	}
	if b.Len() == 0 {
		return errors.New("the text " + f.Reason)
	}
	return errorAt(b.String(), "%s", f.Reason)
}
