package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// clip returns s, which is escaped, cut to at most n runes.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// pad returns s, filled up with spaces to n runes.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

// wrap breaks s, which is escaped, into lines of at most n runes, where it can
// between words.
func wrap(s string, n int) []string {
	var lines []string
	line := []rune(nil)
	for _, word := range strings.Fields(s) {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) <= n {
			line = append(append(line, ' '), w...)
			continue
		}
		if len(line) > 0 {
			lines = append(lines, string(line))
		}
		for ; len(w) > n; w = w[n:] {
			lines = append(lines, string(w[:n]))
		}
		line = w
	}
	return append(lines, string(line))
}

// printWrapped prints s in lines of at most n runes after the indent. All but the
// first are indented further.
func printWrapped(w io.Writer, indent, s string, n int) {
	for i, line := range wrap(s, n) {
		fmt.Fprintln(w, indent+strings.Repeat("  ", min(i, 1))+line)
	}
}

// reportWidth bounds sentences in reports, in runes.
const reportWidth = 80

// A fields writes a report as names and values, one a line.
type fields struct{ io.Writer }

func (w fields) field(name, format string, args ...any) {
	fmt.Fprintf(w, "%-10s  %s\n", name, fmt.Sprintf(format, args...))
}

// some writes how many things of a name there are, in the %s of the format, if any.
func (w fields) some(name string, n uint64, noun, format string) {
	if n > 0 {
		w.field(name, format, count(n, noun))
	}
}

// sentence writes a value that may take several lines.
func (w fields) sentence(name, value string) {
	for i, line := range wrap(value, reportWidth-12) {
		w.field([]string{name, ""}[min(i, 1)], "%s", line)
	}
}

// count returns "1 record", "2 records".
func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}

// shortNumber returns n in at most 5 characters, if it is below 10^15.
func shortNumber(n int64) string {
	if n < 10_000 {
		return strconv.FormatInt(n, 10)
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"k", "M", "G", "T"} {
		if f /= 1000; f < 999.5 {
			break
		}
	}
	if f < 99.95 {
		return fmt.Sprintf("%.1f%s", f, unit)
	}
	return fmt.Sprintf("%.0f%s", f, unit)
}

// size returns "214 B", "21.4 kB".
func size(n int64) string {
	s := shortNumber(n)
	if unit := strings.TrimLeft(s, "0123456789.-"); unit != "" {
		return strings.TrimSuffix(s, unit) + " " + unit + "B"
	}
	return s + " B"
}

// milliseconds returns "12.3 ms".
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
}

// date returns t as people write it.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// countWith returns "4 runs (1 interrupted)".
func countWith(n uint64, noun string, of uint64, kind string) string {
	if of == 0 {
		return count(n, noun)
	}
	return fmt.Sprintf("%s (%d %s)", count(n, noun), of, kind)
}

// andMore returns ", 2 rotations of the root key".
func andMore(n uint64, noun, of string) string {
	if n == 0 {
		return ""
	}
	return ", " + count(n, noun) + of
}

// A part is one of the kinds of what is counted.
type part struct {
	n    uint64
	name string
}

// totalOf returns "3: 2 done, 1 denied".
func totalOf(total uint64, parts ...part) string {
	s := strconv.FormatUint(total, 10)
	if all := joinParts(parts); all != "" {
		s += ": " + all
	}
	return s
}

// joinParts returns "2 done, 1 denied", without the kinds that there are none of.
func joinParts(parts []part) string {
	var s []string
	for _, p := range parts {
		if p.n > 0 {
			s = append(s, strconv.FormatUint(p.n, 10)+" "+p.name)
		}
	}
	return strings.Join(s, ", ")
}
