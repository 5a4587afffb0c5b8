package strictjson

import "math/bits"

// The hashes here tell names and values apart that a model wrote. Whoever makes
// two of them collide has two things taken for one, which is to be safe.

// Mix makes one hash of two; the order matters.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

// Hash returns a hash of s.
func Hash(seed uint64, s string) uint64 {
	h := seed + uint64(len(s))
	for rest := s; len(rest) > 8; rest = rest[8:] {
		h = Mix(h, Load8(rest, 0))
	}
	return Mix(h, last(s))
}

// FoldHash returns the same hash for all names that are equal but for their case, as
// [Fold] tells.
func FoldHash(name string) uint64 { return Text{raw: name}.FoldHash() }

// FoldHash is that of the string itself.
func (t Text) FoldHash() uint64 {
	h := uint64(len(t.raw))
	end := last(t.raw)
	seen := end
	for rest := t.raw; len(rest) > 8; rest = rest[8:] {
		word := Load8(rest, 0)
		seen |= word
		h = Mix(h, lowerCase(word))
	}
	if seen&high != 0 || t.escaped {
		return Hash(0, Fold(t.String()))
	}
	return Mix(h, lowerCase(end)) // as Hash would hash it, folded
}

// lowerCase returns word with its ASCII letters in lower case. All bytes must be
// ASCII.
func lowerCase(word uint64) uint64 {
	upper := (word + (0x80-'A')*low) &^ (word + (0x7f-'Z')*low) & high
	return word + upper>>2
}

// last returns the last eight bytes of s. Of a shorter one it returns all, which
// are told from those of others by the length of s.
func last(s string) uint64 {
	n := len(s)
	switch {
	case n >= 8:
		return Load8(s, n-8)
	case n >= 4:
		return load4(s, 0) | load4(s, n-4)<<32
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return 0
}

// load4 returns four bytes of s.
func load4(s string, i int) uint64 {
	s = s[i : i+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
