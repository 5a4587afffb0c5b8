package strictjson_test

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/strictjson"
)

// decimal reads a whole number as ReadDigits and ReadExponent read it.
func decimal(t testing.TB, text string) strictjson.Decimal {
	t.Helper()
	d, digits, end := strictjson.ReadDigits(text, 0)
	if end < 0 || digits > strictjson.DecimalDigits {
		t.Fatalf("%s: got %d digits up to %d, want a number of at most %d", text, digits, end, strictjson.DecimalDigits)
	}
	if end < len(text) {
		exponent, last := strictjson.ReadExponent(text, end+1)
		if last != len(text) {
			t.Fatalf("%s: got an exponent up to %d, want all of it", text, last)
		}
		d.Exponent += exponent
	}
	return d
}

func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%s: no number", text)
	}
	return r
}

// drawNumber draws a JSON number of at most 18 digits.
func drawNumber(r *rand.Rand) string {
	text := strconv.FormatUint(r.Uint64N([]uint64{1, 2, 10, 200, 1e6, 1e17, 1e18}[r.IntN(7)]), 10)
	if zeros := 18 - len(text); text != "0" && r.IntN(3) == 0 {
		text += strings.Repeat("0", r.IntN(zeros+1))
	}
	if at := r.IntN(len(text)); at > 0 {
		text = text[:at] + "." + text[at:]
	}
	if r.IntN(3) == 0 {
		text += "e" + strconv.Itoa(r.IntN(60)-30)
	}
	if r.IntN(3) == 0 {
		text = "-" + text
	}
	return text
}

// A Decimal says what a big.Rat says.
func TestDecimalsAreExact(t *testing.T) {
	r, multiples, equal, fromRat := rand.New(rand.NewPCG(1, 7)), 0, 0, 0
	for range 200_000 {
		a, b := drawNumber(r), drawNumber(r)
		if r.IntN(4) == 0 {
			b = a + "0"
			if !strings.ContainsAny(a, ".e") || strings.Contains(a, "e") || len(b) > 18 {
				b = a
			}
		}
		d, e, x, y := decimal(t, a), decimal(t, b), rat(t, a), rat(t, b)
		if got, want := d.Compare(e), x.Cmp(y); got != want {
			t.Fatalf("%s and %s: compared as %d, want %d", a, b, got, want)
		} else if want == 0 {
			equal++
		}
		if got, want := d.IsInteger(), x.IsInt(); got != want {
			t.Fatalf("%s: is an integer: got %v, want %v", a, got, want)
		}
		if back := rat(t, d.String()); back.Cmp(x) != 0 {
			t.Fatalf("%s: got %s", a, d)
		}
		if of, ok := strictjson.DecimalOf(x); ok {
			fromRat++
			if of.Compare(d) != 0 || of.Compare(e) != x.Cmp(y) || rat(t, of.String()).Cmp(x) != 0 {
				t.Fatalf("%s: got %s from a big.Rat", a, of)
			}
		}
		if y.Sign() <= 0 {
			continue
		}
		is := new(big.Rat).Quo(x, y).IsInt()
		if d.MultipleOf(e) && !is {
			t.Fatalf("%s: got a multiple of %s, want none", a, b)
		}
		if d.NoMultipleOf(e) && is {
			t.Fatalf("%s: got no multiple of %s, want one", a, b)
		}
		if is && d.MultipleOf(e) {
			multiples++
		}
	}
	if min(multiples, equal, fromRat) < 1000 {
		t.Errorf("got %d multiples, %d equal ones and %d from a big.Rat, want many", multiples, equal, fromRat)
	}
}

// Where two numbers are far apart, the answers are those of arithmetic all the same.
func TestDecimalsFarApart(t *testing.T) {
	for _, tc := range []struct {
		a, b      string
		compare   int
		is, isNot bool // certainly one, certainly none
	}{
		{"1e18", "999999999999999999", 1, false, true},
		{"1e19", "999999999999999999", 1, false, false},
		{"10000000000000000e3", "1e19", 0, true, false},
		{"18e17", "18", 1, true, false},
		{"1e300", "1e-300", 1, false, false},
		{"-1e300", "1e-300", -1, false, false},
		{"1e-300", "1", -1, false, true},
		{"0e300", "5", -1, true, false},
		{"19.99", "0.01", 1, true, false},
		{"19.995", "0.01", 1, false, true},
		{"2e18", "2", 1, true, false},
	} {
		d, e := decimal(t, tc.a), decimal(t, tc.b)
		if got := d.Compare(e); got != tc.compare {
			t.Errorf("%s and %s: compared as %d, want %d", tc.a, tc.b, got, tc.compare)
		}
		if got := e.Compare(d); got != -tc.compare {
			t.Errorf("%s and %s: compared as %d, want %d", tc.b, tc.a, got, -tc.compare)
		}
		if got := d.MultipleOf(e); got != tc.is {
			t.Errorf("%s: a multiple of %s: got %v, want %v", tc.a, tc.b, got, tc.is)
		}
		if got := d.NoMultipleOf(e); got != tc.isNot {
			t.Errorf("%s: no multiple of %s: got %v, want %v", tc.a, tc.b, got, tc.isNot)
		}
	}
}

func TestDecimalOfRefusesWhatHasNoEndOrTooManyDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"1/3": false, "1/8": true, "123456789012345678": true, "1234567890123456789": false,
		"1234567890123456780": true, "0.12345678901234567": true, "0.123456789012345678": false, "-0": true,
	} {
		if d, ok := strictjson.DecimalOf(rat(t, text)); ok != want {
			t.Errorf("%s: got %s, %v, want %v", text, d, ok, want)
		}
	}
}

func TestDecimalsReadAsDigitsWhereThatIsShort(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "100": "100", "1e18": "1000000000000000000", "1e19": "1e19", "0.01": "0.01",
		"-1e-18": "-0.000000000000000001", "-0e5": "0", "1e-19": "1e-19", "12.50": "12.50", "120e-1": "12.0",
	} {
		if got := decimal(t, text).String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestReadDigitsAndExponents(t *testing.T) {
	for _, tc := range []struct {
		text        string
		digits, end int
	}{
		{"0", 1, 1}, {"-0.50", 3, 5}, {"12]", 2, 2}, {"1.", 1, -1}, {"01", 2, -1}, {"-", 0, -1}, {".5", 0, -1}, {"", 0, -1}, {"1.5e3", 2, 3},
	} {
		if _, digits, end := strictjson.ReadDigits(tc.text, 0); digits != tc.digits || end != tc.end {
			t.Errorf("%q: got %d digits up to %d, want %d up to %d", tc.text, digits, end, tc.digits, tc.end)
		}
	}
	for _, tc := range []struct {
		text          string
		exponent, end int
		fits          bool
	}{
		{"5", 5, 1, true}, {"+05", 5, 3, true}, {"-324", -324, 4, true}, {"-325", -325, 4, false}, {"308,", 308, 3, true}, {"309", 309, 3, false},
		{"", 0, -1, true}, {"-", 0, -1, true}, {"x", 0, -1, true},
	} {
		exponent, end := strictjson.ReadExponent(tc.text, 0)
		if exponent != tc.exponent || end != tc.end {
			t.Errorf("%q: got %d up to %d, want %d up to %d", tc.text, exponent, end, tc.exponent, tc.end)
		}
		if fits := strictjson.ExponentFits(exponent); end >= 0 && fits != tc.fits {
			t.Errorf("%q: fits: got %v, want %v", tc.text, fits, tc.fits)
		}
	}
	if exponent, end := strictjson.ReadExponent("-99999999999999999999", 0); end != 21 || strictjson.ExponentFits(exponent) {
		t.Errorf("got %d up to %d, want one that does not fit", exponent, end)
	}
	for text, want := range map[string]int{"0": 1, "12.5": 3, "1e100": 101, "1e-100": 101, "1e+5": 6} {
		if got := strictjson.NumberSize(text); got != want {
			t.Errorf("%s: got a size of %d, want %d", text, got, want)
		}
	}
}
