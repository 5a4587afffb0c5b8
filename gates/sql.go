package gates

import (
	"slices"
	"strings"

	"example.com/safeconduct/internal/shown"
)

// ReadOnlySQL is satisfied by the text of one SQL query that only reads: it begins with
// SELECT, WITH or VALUES, has nothing after it but a semicolon, and calls none but
// well-known functions without side effects and those given, by their names in lower
// case. It is a second line of defence, beside a database user that may only read, and
// denies queries that are harmless; see the package's doc. ReadOnlySQL panics if a
// function is not a name in lower case.
func ReadOnlySQL(functions ...string) Condition {
	q := sqlRules{functions: make(map[string]bool), forbidden: make(map[string]bool), openers: make(map[string]bool), lists: sqlLists()}
	for _, name := range functions {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
			panic("gates: ReadOnlySQL: " + shown.Name(name) + " is no name of a function in lower case")
		}
		q.functions[name] = true
	}
	for _, name := range strings.Fields(sqlFunctions) {
		q.functions[name] = true
	}
	for _, word := range strings.Fields(sqlForbidden) {
		q.forbidden[word] = true
	}
	for _, word := range strings.Fields(sqlOpeners) {
		q.openers[word] = true
	}
	return Condition{be: "be one SQL query that only reads", judge: func(v value) answer {
		s, ok := v.str()
		if !ok {
			return answerUnknown
		}
		return answerIf(q.readOnly(s))
	}}
}

// What ReadOnlySQL knows.
const (
	// Functions that read nothing but their arguments.
	sqlFunctions = `count sum avg min max total group_concat string_agg array_agg
		coalesce nullif ifnull iif if greatest least abs ceil ceiling floor round trunc mod power sqrt sign exp ln log
		upper lower trim ltrim rtrim length char_length character_length octet_length substr substring left right
		replace instr position strpos concat concat_ws date time datetime julianday strftime unixepoch date_trunc date_part extract
		year month day hour minute second dayofweek week quarter date_format datediff timestampdiff date_add date_sub
		to_char to_date now cast convert row_number rank dense_rank ntile lag lead first_value last_value nth_value
		percent_rank cume_dist json_extract`

	// Words that change something, in a query or in what a dialect takes for
	// another statement after it.
	sqlForbidden = `insert update delete merge upsert into outfile dumpfile share procedure
		create alter drop truncate rename grant revoke deny attach detach pragma vacuum copy load call exec execute
		lock unlock set declare begin commit rollback use kill shutdown backup restore dbcc waitfor reconfigure bulk handler
		nextval trigger checkpoint raiserror writetext updatetext setuser revert receive conversation
		tablock tablockx paglock xlock updlock holdlock serializable repeatableread`

	// Words that a parenthesis follows without making them a call.
	sqlOpeners = `select from where and or not in exists as on using join over by having union intersect except all any some lateral
		when then else case between like limit offset filter group values with distinct interval is materialized partition
		varchar char character decimal numeric float`
)

// sqlRules are a ReadOnlySQL made ready.
type sqlRules struct {
	functions, forbidden, openers map[string]bool
	lists                         map[string]sqlList
}

// A sqlToken is a word in lower case, something quoted ("'", "\"" or "`"), a
// number ("0"), or one character.
type sqlToken struct{ text string }

func (t sqlToken) word() bool {
	return t.text != "" && (t.text[0] >= 'a' && t.text[0] <= 'z' || t.text[0] == '_')
}

func (t sqlToken) name() bool { return t.text == `"` || t.text == "`" || t.text == "'" }

// readOnly reports whether s is one query that only reads.
func (q *sqlRules) readOnly(s string) bool {
	tokens, ok := sqlTokens(s)
	if !ok {
		return false
	}
	if n := len(tokens); n > 0 && tokens[n-1].text == ";" {
		tokens = tokens[:n-1]
	}
	if len(tokens) == 0 || !slices.Contains([]string{"select", "with", "values"}, tokens[0].text) {
		return false
	}
	depth := 0
	for i, t := range tokens {
		var before, after sqlToken
		if i > 0 {
			before = tokens[i-1]
		}
		if i+1 < len(tokens) {
			after = tokens[i+1]
		}
		switch {
		case t.text == ";":
			return false // a second statement
		case t.text == "(":
			depth++
		case t.text == ")":
			if depth--; depth < 0 {
				return false
			}
		case (t.name() || t.word()) && after.text == "(" && (before.text == "with" || before.text == "recursive") &&
			!q.openers[t.text] && !q.forbidden[t.text]:
			if !sqlColumns(tokens[i+1:]) {
				return false // an expression, as some dialects have it there
			}
		case t.name() && after.text == "(" && before.text != "as":
			return false // a function by a quoted name
		case t.word() && !q.allows(before, t, after):
			return false
		}
	}
	return depth == 0 && q.one(tokens)
}

// allows judges a word by what stands around it.
func (q *sqlRules) allows(before, word, after sqlToken) bool {
	switch {
	case q.forbidden[word.text]:
		return false
	case word.text == "replace":
		return after.text == "(" && before.text != "." // otherwise it is a statement
	case word.text == "value" && before.text == "next":
		return false // NEXT VALUE FOR changes a sequence
	case after.text != "(" || q.openers[word.text] && before.text != ".":
		return true
	case before.text == "as":
		return true // a name with columns, or a type
	}
	return q.functions[word.text] && before.text != "."
}

// sqlColumns reports whether tokens begin with names in parentheses, and AS: what
// follows the name of a query in WITH.
func sqlColumns(tokens []sqlToken) bool {
	for i := 1; i+2 < len(tokens); i += 2 {
		if !tokens[i].word() && !tokens[i].name() {
			return false
		}
		switch tokens[i+1].text {
		case ",":
		case ")":
			return tokens[i+2].text == "as" && i+3 < len(tokens) &&
				slices.Contains([]string{"(", "not", "materialized"}, tokens[i+3].text)
		default:
			return false
		}
	}
	return false
}

// sqlTokens reads tokens as all dialects read them, and fails where dialects
// differ.
func sqlTokens(s string) (tokens []sqlToken, ok bool) {
	if len(s) > DefaultMaxBytes {
		return nil, false
	}
	for i := 0; i < len(s); {
		c := s[i]
		n := 1
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '\'' || c == '"' || c == '`':
			if n = sqlQuoted(s[i:]); n == 0 {
				return nil, false
			}
			tokens = append(tokens, sqlToken{string(c)})
		case sqlWordByte(c):
			for i+n < len(s) && sqlWordByte(s[i+n]) {
				n++
			}
			if i+n < len(s) && strings.IndexByte("'\"`", s[i+n]) >= 0 {
				return nil, false // a literal with a prefix, read in many ways
			}
			word := strings.ToLower(s[i : i+n])
			if c >= '0' && c <= '9' {
				if !sqlNumber(word, s[i+n:]) {
					return nil, false
				}
				word = "0"
			}
			tokens = append(tokens, sqlToken{word})
		case strings.HasPrefix(s[i:], "--") || strings.HasPrefix(s[i:], "/*") || strings.HasPrefix(s[i:], "*/"):
			return nil, false // a comment
		case strings.IndexByte("(),.+-*/%=<>!|&~^:?;", c) >= 0:
			tokens = append(tokens, sqlToken{string(c)})
		default:
			return nil, false
		}
		i += n
	}
	return tokens, true
}

// sqlNumber reports whether word, which begins with a digit and which rest comes
// after, is a number or a part of one to all dialects. Some read 1INTO, and
// 1.e5INTO, as a number and a word.
func sqlNumber(word, rest string) bool {
	if len(rest) > 1 && rest[0] == '.' && sqlWordByte(rest[1]) && (rest[1] < '0' || rest[1] > '9') {
		return false
	}
	if digits, ok := strings.CutPrefix(word, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	digits, exponent, scaled := strings.Cut(word, "e")
	if scaled && exponent == "" && (len(rest) < 2 || rest[0] != '+' && rest[0] != '-' || rest[1] < '0' || rest[1] > '9') {
		return false
	}
	return strings.Trim(digits+exponent, "0123456789") == ""
}

func sqlWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// sqlQuoted returns the length of the quoted text that s begins with, or 0 if it
// has no end, or not the same one in all dialects.
func sqlQuoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' || c < ' ' && c != '\t' && c != '\n' && c != '\r':
			return 0
		case c != s[0]:
		case i+1 < len(s) && s[i+1] == c:
			i++
		default:
			return i + 1
		}
	}
	return 0
}
