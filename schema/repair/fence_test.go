package repair_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema/repair"
)

// The mark that ends a code fence begins none, and where it is not certain which a
// mark does no value goes before others for it.
func TestAClosingMarkOpensNoFence(t *testing.T) {
	ambiguous, broken := repair.ErrAmbiguous, repair.ErrBroken
	for _, tc := range []struct {
		text, want string
		err        error
	}{
		{"I ran\n```sh\nls\n```\n{'n':5000}\n```json\n{'n':50}\n```", `{'n':50}`, nil},
		{"The answer is {'n':50}.\n```sh\nls\n```\n{'n':5000}", ``, ambiguous},
		{"I ran\n```sh\nls\n```\n{'n':5000}", `{'n':5000}`, nil},
		{"```\nls\n```\n{'n':1}\n```\nls\n```\n{'n':2}", ``, ambiguous},
		{"Is it {'n':1}?\n```json\n{'n':2}\n```\n{'n':3}\n", `{'n':2}`, nil},

		// Of CommonMark: as many marks, of the same kind, with no words behind them.
		{"````\n```\n{'n':1}\n```\n````\nor {'n':2}", ``, ambiguous},
		{"````md\n```json\n{'n':1}\n```\n````\n{'n':3}\n```json\n{'n':2}\n```", `{'n':2}`, nil},
		{"~~~sh\nls\n~~~\n{'n':1}\n~~~json\n{'n':2}\n~~~\n", `{'n':2}`, nil},
		{"~~~json\n{'n':2}\n```\n~~~\nor {'n':1}", ``, ambiguous},
		{"~~~\n```\n~~~\n{'n':1}\n```\n{'n':2}\n```", `{'n':2}`, nil},
		{"   ```json\n   {'n':2}\n   ```\n{'n':1}", `{'n':2}`, nil},
		{"```json title=\"x\"\n{'n':2}\n```\n{'n':1}", `{'n':2}`, nil},
		{"``` json\n{'n':2}\n```\n{'n':1}", `{'n':2}`, nil},
		{"{'n':1}\n```json\n{'n':2}", `{'n':2}`, nil},
		{"{'n':1}\n```\nls\n{'n':2}", ``, ambiguous},
		{"Use ```sh``` marks: {'n':1}\n```\n{'n':2}\n```", `{'n':2}`, nil},
		{"Use ~~~ or ~~ and {'n':1}\n```\n{'n':2}\n```", `{'n':2}`, nil},

		// Of models.
		{"[1] says: ```json\n{'n':2}\n```\n{'n':1}", `{'n':2}`, nil},
		{"```json\n{'n':2}```\n{'n':1} was wrong", `{'n':2}`, nil},
		{"```json\n{'n':2}\n``` and not {'n':1}", `{'n':2}`, nil},
		{"So ```{'n':2}```", `{'n':2}`, nil},

		// Whether these are fenced is not certain.
		{"{'n':1}, or ```json {'n':2}```", ``, ambiguous},
		{"{'n':1}\n\n    ```\n    {'n':2}\n    ```\n", ``, ambiguous},
		{"{'n':1}\n> ```\n{'n':2}\n> ```\n", ``, ambiguous},
		{"```json\n{'n':2}```\nor\n```json\n{'n':3}\n```", ``, ambiguous},
		{"```sh\nls\n\nIs it {'n':1}?\n```json\n{'n':2}\n```", ``, ambiguous},
		{"```md\n```json\n{'n':1}\n```\n```\n{'n':2}", ``, ambiguous},
		{"Mind the ``` here: {'n':1}\n```\n{'n':2}\n```", ``, ambiguous},
		{"    ```sh\n    ls\n```\n{'n':2}\n```\n{'n':1}", ``, ambiguous},
		{"```sh\nls\n    ```\n{'n':2}\n```\n{'n':1}\n```\n", ``, ambiguous},
		{"```\n{'n':2}\n```json\n{'n':1}\n```", ``, ambiguous},
		{"```json\n{'n':1}\n```\n```\nx\n```json {'n':2}\n```", ``, ambiguous},
		{"{'n':1}\n\n    ```\n    {'n': oops}\n    ```\n", ``, broken},
	} {
		text, want := strings.ReplaceAll(tc.text, "'", `"`), strings.ReplaceAll(tc.want, "'", `"`)
		got, err := repair.Extract([]byte(text))
		if string(got) != want || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%q: got %s, %v, want %s, %v", text, got, err, want, tc.err)
		}
		got, _, err = repair.Repair([]byte(tc.text))
		if string(got) != want || (err == nil) != (tc.err == nil) {
			t.Errorf("%q: got %s, %v repaired, want %s", tc.text, got, err, want)
		}
	}
}

// A saying is a text that was put together by somebody who knows what is in it.
type saying struct {
	strings.Builder
	fenced, plain []string // values
	sloppy        bool     // CommonMark has other fences, perhaps
	open          bool     // a fence in it does not end
}

// answer returns the one value that the text means, or "" if that is not known.
func answer(fenced, plain []string) string {
	all := fenced
	if len(all) == 0 {
		all = plain
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 1 {
		return all[0]
	}
	return ""
}

// add adds one part.
func (s *saying) add(m jsontest.Mutator) {
	pick := func(all ...string) string { return all[m.IntN(len(all))] }
	value := fmt.Sprintf(`{"n":%d}`, m.IntN(3))
	mark := strings.Repeat(pick("`", "`", "~"), 3+m.IntN(3))
	indent := strings.Repeat(" ", m.IntN(4))
	language := pick("", "", "json", "sh", " json", "json title=a", "python")
	code := pick("ls -l", "print('x')", "a ` b", "--", "x = 1\n\ny = 2")
	fence := func(body string) {
		fmt.Fprintf(s, "%s%s%s\n%s\n%s%s\n", indent, mark, language, body, indent, mark+strings.Repeat(mark[:1], m.IntN(2)))
	}
	switch m.IntN(16) {
	default:
		s.WriteString(pick("I ran it.\n", "\n", "So.\n\n", "Use `x` or ``y``.\n", "Mind ```sh``` and ~~this~~.\n", "- one\n- two\n"))
	case 0, 1:
		fmt.Fprintf(s, pick("The answer is %s.\n", "%s\n", "Final Answer: `%s`\n", "\n%s\n\n", "  %s, I say\n"), value)
		s.plain = append(s.plain, value)
	case 2, 3:
		fence(value)
		s.fenced = append(s.fenced, value)
	case 4, 5:
		fence(code)
	case 6:
		fence(code + "\n" + value)
		s.plain = append(s.plain, value)
	case 7:
		// One within another.
		inner := strings.Repeat(mark[:1], len(mark)-1)
		if len(inner) < 3 {
			inner = strings.Repeat(string('`'+'~'-mark[0]), 3)
		}
		fence(inner + "json\n" + value + "\n" + inner)
		s.plain = append(s.plain, value)
	case 8:
		s.sloppy = true
		fmt.Fprintf(s, pick("So: ```json\n%s\n```\n", "```json\n%s```\n", "```\n%s\n``` and so on.\n", "```json %s\n```\n", "It is ```%s```.\n", "```json %s```\n"), value)
		s.fenced = append(s.fenced, value)
	case 9:
		s.sloppy = true
		in := pick("    ", "\t", "      ")
		fmt.Fprintf(s, "1. This:\n%s```json\n%s%s\n%s```\n", in, in, value, in)
		s.fenced = append(s.fenced, value)
	case 10:
		if m.IntN(3) == 0 {
			s.open = true
			fmt.Fprintf(s, "%s%s\n%s\n", mark, language, pick(value, code))
		}
	}
}

var valueOfSaying = regexp.MustCompile(`\{"n":\d\}`)

// commonMark returns the values in a text by the fences of CommonMark.
func commonMark(text string) (fenced, plain []string) {
	begin := regexp.MustCompile("^ {0,3}(`{3,}[^`]*|~{3,}.*)$")
	var mark, body string
	end := func() {
		if values := valueOfSaying.FindAllString(body, -1); mark != "" && len(values) == 1 && strings.TrimSpace(body) == values[0] {
			fenced = append(fenced, values[0])
		} else {
			plain = append(plain, values...)
		}
		mark, body = "", ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		bare := strings.TrimLeft(line, " ")
		m := begin.FindStringSubmatch(line)
		switch {
		case mark == "" && m != nil:
			end()
			mark = m[1][:len(m[1])-len(strings.TrimLeft(m[1], m[1][:1]))]
		case mark != "" && len(line)-len(bare) <= 3 && strings.HasPrefix(bare, mark) && strings.Trim(bare, mark[:1]+" ") == "":
			end()
		default:
			body += line + "\n"
		}
	}
	end()
	return fenced, plain
}

// Of whatever a text is put together from, what comes back is never another value
// than the one that it means; and that one, or an ErrAmbiguous, where its fences are
// those of CommonMark.
func TestExtractTakesNoOtherValue(t *testing.T) {
	m := jsontest.NewMutator(7)
	certain, sloppy, refused := 0, 0, 0
	for range 60_000 / jsontest.Slack {
		var s saying
		for range 2 + m.IntN(6) {
			s.add(m)
		}
		text := s.String()
		want, meant := answer(commonMark(text)), answer(s.fenced, s.plain)
		switch {
		case s.sloppy && s.open:
			continue // nobody knows
		case s.sloppy:
			want = meant
		case !s.open && meant != want:
			t.Fatalf("%q: meant is %s, but by CommonMark it says %s", text, meant, want)
		}
		strict := !s.sloppy && !s.open
		for _, how := range []string{"extracted", "repaired"} {
			var got []byte
			var err error
			if how == "extracted" {
				got, err = repair.Extract([]byte(text))
			} else {
				got, _, err = repair.Repair([]byte(strings.ReplaceAll(text, `"`, "'")))
				got = []byte(strings.ReplaceAll(string(got), "'", `"`))
			}
			values := len(s.fenced)+len(s.plain) > 0
			switch {
			case err == nil && string(got) != want:
				t.Fatalf("%q: got %s %s, want %s or an error", text, got, how, want)
			case how == "repaired" || err == nil:
			case strict && want != "", strict && values && !errors.Is(err, repair.ErrAmbiguous):
				t.Fatalf("%q: got %v, want %s", text, err, want)
			}
			switch {
			case strict:
				certain++
			case err == nil:
				sloppy++
			default:
				refused++
			}
		}
	}
	t.Logf("%d certain; of others %d told and %d refused", certain, sloppy, refused)
	if min(certain, sloppy, refused) < 1000/jsontest.Slack {
		t.Error("got few of one kind, want many")
	}
}
