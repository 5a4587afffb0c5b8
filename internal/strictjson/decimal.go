package strictjson

import (
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// A Decimal is a number, exactly: mantissa times ten to the exponent. The mantissa
// has at most 18 digits, so that there is room to calculate.
type Decimal struct {
	negative bool // of a mantissa that is not zero
	mantissa uint64
	Exponent int
}

// DecimalDigits is how many digits the mantissa of a [Decimal] has at most.
const DecimalDigits = 18

// Ten to farApart is more than any mantissa.
const farApart = 19

// String returns the number as JSON, in digits alone where that is short.
func (d Decimal) String() string {
	sign := ""
	if d.negative {
		sign = "-"
	}
	text := strconv.FormatUint(d.mantissa, 10)
	switch {
	case d.mantissa == 0 || d.Exponent == 0:
	case 0 < d.Exponent && d.Exponent <= DecimalDigits:
		text += strings.Repeat("0", d.Exponent)
	case -DecimalDigits <= d.Exponent && d.Exponent < 0:
		if zeros := 1 - d.Exponent - len(text); zeros > 0 {
			text = strings.Repeat("0", zeros) + text
		}
		point := len(text) + d.Exponent
		text = text[:point] + "." + text[point:]
	default:
		text += "e" + strconv.Itoa(d.Exponent)
	}
	return sign + text
}

// tens are the powers of ten that fit.
var tens = [20]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// DecimalOf returns a number as a Decimal, unless it has too many digits.
func DecimalOf(r *big.Rat) (Decimal, bool) {
	places, exact := r.FloatPrec()
	if !exact {
		return Decimal{}, false
	}
	text, zeros := r.FloatString(places), 0
	if places == 0 {
		short := strings.TrimRight(text, "0")
		zeros = len(text) - len(short)
		text = short
	}
	if strings.TrimLeft(text, "-") == "" {
		return Decimal{}, true
	}
	d, digits, _ := ReadDigits(text, 0)
	d.Exponent += zeros
	return d, digits <= DecimalDigits
}

// ReadDigits reads a JSON number that begins at src[i], up to its exponent. The
// mantissa is right only if the number of digits is at most [DecimalDigits]. The end
// is -1 where there is no number.
func ReadDigits(src string, i int) (d Decimal, digits, end int) {
	if i < len(src) && src[i] == '-' {
		d.negative = true
		i++
	}
	start := i
	for ; i < len(src) && src[i]-'0' <= 9; i++ {
		d.mantissa = 10*d.mantissa + uint64(src[i]-'0')
	}
	digits = i - start
	if digits == 0 || digits > 1 && src[start] == '0' {
		return d, digits, -1
	}
	if i < len(src) && src[i] == '.' {
		i++
		start = i
		for ; i < len(src) && src[i]-'0' <= 9; i++ {
			d.mantissa = 10*d.mantissa + uint64(src[i]-'0')
		}
		if i == start {
			return d, digits, -1
		}
		d.Exponent = start - i
		digits += i - start
	}
	if d.mantissa == 0 {
		d.negative = false
	}
	return d, digits, i
}

// ReadExponent reads the exponent of a JSON number, after its e. The end is -1
// where there is none. One that is too far from zero comes back as some other that
// is.
func ReadExponent(src string, i int) (exponent, end int) {
	negative := false
	if i < len(src) && (src[i] == '+' || src[i] == '-') {
		negative = src[i] == '-'
		i++
	}
	start := i
	for ; i < len(src) && src[i]-'0' <= 9; i++ {
		exponent = min(10*exponent+int(src[i]-'0'), 1000)
	}
	if i == start {
		return 0, -1
	}
	if negative {
		exponent = -exponent
	}
	return exponent, i
}

// ExponentFits reports whether an exponent is one that a number may have.
func ExponentFits(exponent int) bool { return MinExponent <= exponent && exponent <= MaxExponent }

// IsInteger reports whether d has no fractional part.
func (d Decimal) IsInteger() bool {
	switch {
	case d.Exponent >= 0 || d.mantissa == 0:
		return true
	case d.Exponent <= -farApart:
		return false
	}
	return d.mantissa%tens[-d.Exponent] == 0
}

// Compare returns -1, 0 or 1 where d is less than, equal to or more than e.
func (d Decimal) Compare(e Decimal) int {
	switch {
	case d.negative != e.negative:
		if d.negative {
			return -1
		}
		return 1
	case d.negative:
		return e.compareSize(d)
	}
	return d.compareSize(e)
}

func (d Decimal) compareSize(e Decimal) int {
	if d.mantissa == 0 || e.mantissa == 0 || d.Exponent == e.Exponent {
		return compareWords(d.mantissa, e.mantissa)
	}
	if d.Exponent < e.Exponent {
		return -e.compareSize(d)
	}
	by := d.Exponent - e.Exponent
	if by >= farApart {
		return 1
	}
	high, low := bits.Mul64(d.mantissa, tens[by])
	if high > 0 {
		return 1
	}
	return compareWords(low, e.mantissa)
}

func compareWords(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// MultipleOf reports whether d is a multiple of e, which is more than zero. Where
// that takes longer numbers, the answer is no.
func (d Decimal) MultipleOf(e Decimal) bool {
	if d.mantissa == 0 {
		return true
	}
	by := d.Exponent - e.Exponent
	if by >= farApart || by <= -farApart {
		return false
	}
	if by < 0 {
		high, low := bits.Mul64(e.mantissa, tens[-by])
		return high == 0 && d.mantissa%low == 0
	}
	high, low := bits.Mul64(d.mantissa, tens[by])
	return bits.Rem64(high, low, e.mantissa) == 0
}

// NoMultipleOf reports whether d is certainly no multiple of e, which is more than
// zero. Where that takes longer numbers, the answer is no.
func (d Decimal) NoMultipleOf(e Decimal) bool {
	return d.Exponent-e.Exponent < farApart && !d.MultipleOf(e)
}

// NumberSize returns how long a number is, written without its exponent.
func NumberSize(text string) int {
	_, size, end := ReadDigits(text, 0)
	if end >= 0 && end < len(text) {
		exponent, _ := ReadExponent(text, end+1)
		size += max(exponent, -exponent)
	}
	return size
}
