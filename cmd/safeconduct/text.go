package main

import (
	"fmt"
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

// count returns "1 record", "2 records".
func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}

// short returns n in at most 5 characters, if it is below 10^15.
func short(n int64) string {
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
	s := short(n)
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
