package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
)

// errLoad is what jsonschema gets in place of any document that is not in the
// schema itself.
var errLoad = errors.New("leads out of the schema")

// compile has jsonschema compile a document that was surveyed, with formats of our own
// that take the place of its own. The schemas that a dynamic reference may find come
// back too: nothing else leads to them.
func compile(
	text []byte, found *survey, opts Options, formats map[string]func(any) bool,
) (root *jsonschema.Schema, dynamic []*jsonschema.Schema, err error) {
	defer func() {
		if v := recover(); v != nil {
			root, dynamic, err = nil, nil, fmt.Errorf("the compiler panicked: %v", v)
		}
	}()
	c := jsonschema.NewCompiler()
	switch found.draft {
	case Draft4:
		c.Draft = jsonschema.Draft4
	case Draft6:
		c.Draft = jsonschema.Draft6
	case Draft7:
		c.Draft = jsonschema.Draft7
	case Draft2019:
		c.Draft = jsonschema.Draft2019
	default:
		c.Draft = jsonschema.Draft2020
	}
	c.AssertFormat = !opts.FormatIsAnnotation
	c.LoadURL = func(string) (io.ReadCloser, error) { return nil, errLoad }
	for name, is := range formats {
		c.Formats[name] = is
	}
	if opts.FormatIsAnnotation {
		for name := range jsonschema.Formats {
			c.Formats[name] = nil // draft 7 asserts those that it finds
		}
	}
	// Content is annotated, not asserted, from draft 2019-09 on. In draft 7
	// jsonschema would decode it with none of the limits of this package.
	c.Decoders["base64"] = nil
	c.MediaTypes["application/json"] = nil
	c.RegisterExtension(graph.Extension, nil, graph.Twins{KeepsContent: found.draft >= Draft7})
	if err := c.AddResource(rootURL, bytes.NewReader(text)); err != nil {
		return nil, nil, compileError(err)
	}
	for uri, text := range opts.Resources {
		if err := c.AddResource(found.urls[uri], bytes.NewReader(text)); err != nil {
			return nil, nil, compileError(err)
		}
	}
	if root, err = c.Compile(rootURL); err != nil {
		return nil, nil, compileError(err)
	}
	for _, pointer := range found.dynamic {
		s, err := c.Compile(found.absolute(pointer))
		if err != nil {
			return nil, nil, compileError(err)
		}
		dynamic = append(dynamic, s)
	}
	return root, dynamic, nil
}

// forgetFormats takes from the schemas the formats that are not asserted, so that
// nobody else does. The metaschemas, which are everybody's, keep theirs.
func forgetFormats(nodes map[string]*graph.Node) {
	for location, n := range nodes {
		if !graph.IsMetaschema(location) {
			n.Format = ""
		}
	}
}

// fragment escapes a JSON Pointer as jsonschema does in its locations.
func fragment(pointer string) string {
	tokens := strings.Split(pointer, "/")
	for i, token := range tokens {
		tokens[i] = url.PathEscape(token)
	}
	return strings.Join(tokens, "/")
}

// compileError says what jsonschema found wrong with a schema, and where.
func compileError(err error) error {
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		for len(invalid.Causes) > 0 {
			invalid = invalid.Causes[0]
		}
		pointer, _ := url.PathUnescape(invalid.InstanceLocation)
		return errorAt(pointer, "%s", phrase.Visible(phrase.Clip(invalid.Message, MaxReason)))
	}
	var loop jsonschema.InfiniteLoopError
	if errors.As(err, &loop) {
		return fmt.Errorf("refers to itself at the same place, by way of %s", graph.Location(string(loop)))
	}
	var wrapped *jsonschema.SchemaError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	reason := strings.TrimPrefix(err.Error(), "jsonschema: ")
	reason = strings.NewReplacer(rootURL, "", baseURL, "").Replace(reason)
	return errors.New(phrase.Visible(phrase.Clip(reason, MaxReason)))
}
