package repair

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// value reads the JSON value at start. It returns nil if there is none, and where
// it ends or breaks off.
func (s *finder) value(start int) (value []byte, end int) {
	text := s.text[start:]
	n, err := s.read(text)
	if err == nil {
		return text[:n], start + n
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		n = min(int(syntactic.ByteOffset), len(text))
	}
	return nil, start + max(n, 1)
}

// read returns the length of the JSON value at the start of text, white space
// before it included.
func (s *finder) read(text []byte) (int, error) {
	s.dec.Reset(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if _, err := s.dec.ReadValue(); err != nil {
		return len(text), err
	}
	return int(s.dec.InputOffset()), nil
}

// whole returns the JSON value that all of text is but for white space.
func (s *finder) whole(text []byte) ([]byte, bool) {
	text = bytes.Trim(text, space)
	n, err := s.read(text)
	return text, err == nil && n == len(text)
}

// maxWraps is how many values around another one are taken away.
const maxWraps = 4

// unwrap returns what a value wraps, or else the value itself.
func (s *finder) unwrap(value []byte) []byte {
	for range maxWraps {
		inner := s.wrapped(value)
		if inner == nil {
			break
		}
		value = inner
	}
	return value
}

// wrapped returns the value within value, or nil if that wraps none.
func (s *finder) wrapped(value []byte) []byte {
	switch value[0] {
	case '{':
		return s.argument(value)
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return nil
		}
		inner, ok := s.whole(text)
		switch {
		case !ok:
		case inner[0] == '{', inner[0] == '[':
			return inner
		case inner[0] == '"':
			return s.wrapped(inner)
		}
	}
	return nil
}

// argument returns the value of the only property of an object, if its name is
// __arg1.
func (s *finder) argument(object []byte) []byte {
	s.dec.Reset(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true))
	if _, err := s.dec.ReadToken(); err != nil {
		return nil
	}
	if name, err := s.dec.ReadToken(); err != nil || name.Kind() != '"' || name.String() != "__arg1" {
		return nil
	}
	value, err := s.dec.ReadValue()
	if err != nil {
		return nil
	}
	end := int(s.dec.InputOffset())
	if s.dec.PeekKind() != '}' {
		return nil
	}
	return object[end-len(value) : end]
}

// sameButForSpace reports whether two JSON values differ in white space alone.
func sameButForSpace(a, b []byte) bool {
	i, j, quoted := 0, 0, false
	for {
		if !quoted {
			i, j = len(a)-len(bytes.TrimLeft(a[i:], space)), len(b)-len(bytes.TrimLeft(b[j:], space))
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i] != b[j] {
			return false
		}
		switch {
		case a[i] == '"':
			quoted = !quoted
		case quoted && a[i] == '\\':
			// The character that follows does not end the string.
			if i, j = i+1, j+1; a[i] != b[j] {
				return false
			}
		}
		i, j = i+1, j+1
	}
}
