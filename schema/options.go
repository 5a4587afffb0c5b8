package schema

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// Options say how a schema is compiled. The zero Options are those of [Compile].
type Options struct {
	// Draft is the draft of the schema and of its resources. One of them that
	// names another draft as its $schema is refused. If Draft is 0, the draft is
	// that of the schema's $schema, and Draft2020 where there is none.
	Draft Draft

	// FormatIsAnnotation has the keyword format say something to readers
	// alone. By default a string must have its format.
	FormatIsAnnotation bool

	// Quiet has nothing list the values of const and enum to a model or a user: no
	// [Violation], no [Instructions], and no request for another answer, which then
	// comes without the schema.
	Quiet bool

	// Resources are other schemas that the schema may refer to, by what a $ref
	// at its root would say: a URI without a fragment, relative or absolute.
	// They may refer to it, to themselves and to one another. An $id of its
	// own is the base of a resource's references; others do not know it by that.
	//
	// The limits of this package are for all of them together. Nothing is read
	// from files or the network in any case.
	Resources map[string][]byte
}

// CompileWith is like [Compile], with options. Neither the text nor the options
// are kept.
func CompileWith(name string, text []byte, opts Options) (*Schema, error) {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || phrase.Visible(name) != name {
		return nil, fmt.Errorf("schema: %q is no name of 1 to %d visible bytes", phrase.Clip(name, maxName), maxName)
	}
	s := &Schema{name: name, text: bytes.Clone(text), opts: opts.clone()}
	if err := s.compile(); err != nil {
		return nil, fmt.Errorf("schema: %s: %w", name, err)
	}
	return s, nil
}

func (o Options) clone() Options {
	resources := make(map[string][]byte, len(o.Resources))
	for uri, text := range o.Resources {
		resources[uri] = bytes.Clone(text)
	}
	o.Resources = resources
	return o
}

// A source is a schema's text with the resources that it may refer to.
type source struct {
	doc       any
	resources map[string]any
}

// read parses the text of a schema and its resources.
func (o Options) read(text []byte) (*source, error) {
	src := &source{resources: make(map[string]any, len(o.Resources))}
	doc, f := strictjson.Parse(strictjson.View(text), MaxSchemaBytes, true)
	if f != nil {
		return nil, textError(f)
	}
	src.doc = doc.Value
	total := len(text)
	for _, uri := range slices.Sorted(maps.Keys(o.Resources)) {
		if total += len(o.Resources[uri]); total > MaxSchemaBytes {
			return nil, fmt.Errorf("the text and its resources must be at most %s long", phrase.Plural(MaxSchemaBytes, "byte"))
		}
		doc, f := strictjson.Parse(strictjson.View(o.Resources[uri]), MaxSchemaBytes, true)
		if f != nil {
			return nil, fmt.Errorf("the resource %s: %w", phrase.Quote(uri), textError(f))
		}
		src.resources[uri] = doc.Value
	}
	return src, nil
}
