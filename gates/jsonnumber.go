package gates

import "strconv"

// number reads a number and returns its text.
func (r *reader) number() string {
	from := r.pos
	if r.pos < len(r.src) && r.src[r.pos] == '-' {
		r.pos++
	}
	if r.pos < len(r.src) && r.src[r.pos] == '0' {
		r.pos++ // and no digit after it
	} else {
		r.digits()
	}
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		r.pos++
		r.digits()
	}
	if r.pos < len(r.src) && r.src[r.pos]|0x20 == 'e' {
		if r.pos++; r.pos < len(r.src) && (r.src[r.pos] == '+' || r.src[r.pos] == '-') {
			r.pos++
		}
		r.digits()
	}
	if r.fault != faultNone {
		return ""
	}
	return r.src[from:r.pos]
}

// digits reads at least one digit.
func (r *reader) digits() {
	from := r.pos
	for r.pos < len(r.src) && '0' <= r.src[r.pos] && r.src[r.pos] <= '9' {
		r.pos++
	}
	if r.pos == from {
		r.fail(faultSyntax)
	}
}

// smallInt returns the number that text spells, where that is a plain one of up
// to 15 digits.
func smallInt(text string) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// exactly returns the number that text spells, if a float64 tells it from every
// other number of as many digits: that it does for up to 15.
func exactly(text string) (float64, bool) {
	const digits = 15
	if n, ok := smallInt(text); ok {
		return float64(n), true
	}
	significant, seen := 0, 0 // up to the last digit that is not 0; up to here
	for i := 0; i < len(text) && text[i]|0x20 != 'e'; i++ {
		if c := text[i]; '0' <= c && c <= '9' && (seen > 0 || c != '0') {
			if seen++; c != '0' {
				significant = seen
			}
		}
	}
	if significant > digits {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && significant > 0 {
		return 0, false // too large, or too small
	}
	return f, true
}
