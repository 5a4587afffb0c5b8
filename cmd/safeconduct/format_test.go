package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"", ""},
		{"plain, 中文, é, 🙂", "plain, 中文, é, 🙂"},
		{`C:\dir`, `C:\dir`},
		{"a\tb\nc\r", `a\tb\nc\r`},
		{"\x1b[0m\x00\x7f", `\x1b[0m\x00\x7f`},
		{"\u202e\u2066\u200b\ufeff\u00a0", `\u202e\u2066\u200b\ufeff\u00a0`},
		{"\xff\xc3(", `\xff\xc3(`},
		{"\ufffd", "\ufffd"},
		{"\U000e0001", `\U000e0001`},
	} {
		if got := escape(tt.s); got != tt.want {
			t.Errorf("escape(%q): got %s, want %s", tt.s, got, tt.want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(hostile)
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := escape(s)
		if !printable(got) || escape(got) != got {
			t.Errorf("escape(%q): got %q, want it printable", s, got)
		}
		for _, indent := range []string{"", "  "} {
			var b bytes.Buffer
			if err := writeJSON(&b, []string{s}, indent); err != nil {
				t.Fatal(err)
			}
			checkPrintable(t, b.String())
			var back []string
			if err := json.Unmarshal(b.Bytes(), &back); err != nil || back[0] != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
				t.Errorf("writeJSON(%q): got %s, %v", s, &b, err)
			}
		}
	})
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want []string
	}{
		{"", []string{""}},
		{"one two three", []string{"one two", "three"}},
		{"seven77", []string{"seven77"}},
		{"a 0123456789 b", []string{"a", "01234567", "89 b"}},
		{"ééééé ééé", []string{"ééééé", "ééé"}},
	} {
		if got := wrap(tt.s, 8); strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("wrap(%q): got %q, want %q", tt.s, got, tt.want)
		}
	}
}

func TestClipAndPad(t *testing.T) {
	for _, tt := range []struct{ s, want string }{{"abc", "abc "}, {"abcd", "abcd"}, {"abcde", "abc…"}, {"éééé", "éééé"}} {
		if got := pad(clip(tt.s, 4), 4); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.s, got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		n           int64
		short, size string
	}{
		{0, "0", "0 B"},
		{-5, "-5", "-5 B"},
		{9999, "9999", "9999 B"},
		{10_000, "10.0k", "10.0 kB"},
		{99_949, "99.9k", "99.9 kB"},
		{99_950, "100k", "100 kB"},
		{999_499, "999k", "999 kB"},
		{999_500, "1.0M", "1.0 MB"},
		{12_345_678_901, "12.3G", "12.3 GB"},
		{1 << 62, "4611686T", "4611686 TB"},
	} {
		if got := shortNumber(tt.n); got != tt.short {
			t.Errorf("short(%d): got %s, want %s", tt.n, got, tt.short)
		}
		if got := size(tt.n); got != tt.size {
			t.Errorf("size(%d): got %s, want %s", tt.n, got, tt.size)
		}
	}
	if got := count(1, "run") + ", " + count(2, "run"); got != "1 run, 2 runs" {
		t.Errorf("got %s", got)
	}
}
