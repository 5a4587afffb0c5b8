package gates

import (
	"slices"
	"strings"
)

// SQL Server needs no semicolon between two statements: SELECT 1 OPEN c are two.
// It has many of them, and more with each version, so that they are not listed
// here. What one query looks like is: outside of parentheses, an operand is
// followed by an operator or a keyword, or by one name, which is its alias, and
// then a keyword. A statement that follows a query begins with a word that can
// only be such an alias, and goes on with what can follow none.

// A sqlState is what has been read of one expression, table or column.
type sqlState uint8

const (
	sqlWants sqlState = iota // an operand comes next
	sqlHas                   // an operand
	sqlNamed                 // and its alias, or what nothing but a keyword follows
)

// What may follow what. Of these words SQL Server reserves all, so that it takes
// none for a name.
const (
	sqlClauses = "from where group order having on join inner left right full outer cross when then else for by"
	sqlInfixes = "and or not in is like between escape collate over"
	sqlPrefix  = "distinct all any some exists"
	sqlUnions  = "union intersect except minus"
)

// These words it takes for names, so that what follows them must be no word: an
// operand, or what else the list says.
const (
	sqlOwnInfixes = "ilike rlike regexp glob div mod xor"
	sqlUnits      = "microsecond second minute hour day week month quarter year"
)

// Hints that lock nothing, in WITH (...) after a table.
const sqlHints = "nolock readuncommitted readcommitted noexpand"

// A sqlShape reads the tokens outside of parentheses. What stands in these is one
// token, "()".
type sqlShape struct {
	tokens []string
	groups map[int][]sqlToken // in the parentheses, by where they stand
	lists  map[string]sqlList
	state  sqlState
	cases  int  // that have not ended
	with   bool // a WITH that waits for its SELECT
}

type sqlList uint8

const (
	sqlClause sqlList = iota + 1
	sqlInfix
	sqlPrefixed
	sqlUnion
	sqlOwnInfix
	sqlUnit
)

func sqlLists() map[string]sqlList {
	lists := make(map[string]sqlList)
	for words, list := range map[string]sqlList{
		sqlClauses: sqlClause, sqlInfixes: sqlInfix, sqlPrefix: sqlPrefixed,
		sqlUnions: sqlUnion, sqlOwnInfixes: sqlOwnInfix, sqlUnits: sqlUnit,
	} {
		for _, word := range strings.Fields(words) {
			lists[word] = list
		}
	}
	return lists
}

// one reports whether tokens, in which parentheses are balanced, are one query to
// all dialects.
func (q *sqlRules) one(tokens []sqlToken) bool {
	s := sqlShape{lists: q.lists, groups: make(map[int][]sqlToken)}
	depth, from := 0, 0
	for i, t := range tokens {
		switch {
		case t.text == "(":
			if depth++; depth == 1 {
				from = i + 1
			}
		case t.text == ")":
			if depth--; depth == 0 {
				s.groups[len(s.tokens)] = tokens[from:i]
				s.tokens = append(s.tokens, "()")
			}
		case depth == 0:
			s.tokens = append(s.tokens, t.text)
		}
	}
	for i := 0; i < len(s.tokens); {
		n := s.token(i)
		if n == 0 {
			return false
		}
		i += n
	}
	return s.state != sqlWants
}

// at returns the text of a token, or "" beyond the last one.
func (s *sqlShape) at(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	return s.tokens[i]
}

// next goes on to a state, after n tokens.
func (s *sqlShape) next(state sqlState, n int) int {
	s.state = state
	return n
}

// token reads what stands at i. It returns how many tokens that is, or 0 where it
// cannot stand there.
func (s *sqlShape) token(i int) int {
	t := s.at(i)
	switch {
	case sqlToken{t}.word():
		return s.word(i)
	case t == ",":
		return s.next(sqlWants, 1)
	case t == "." && s.at(i-1) == "0": // 1.5, and 1. too
		if s.state != sqlHas {
			return 0
		}
		if s.at(i+1) == "0" {
			return 2
		}
		return 1
	case t == "*" && s.state == sqlWants: // all columns, and no name for them
		return s.next(sqlNamed, 1)
	case t == "()" || t == "0" || t == "?" && s.state == sqlWants:
		if s.state != sqlWants {
			return 0
		}
		return s.next(sqlHas, 1)
	case sqlToken{t}.name():
		return s.named(i)
	case s.state == sqlNamed:
		return 0 // an operator
	}
	return s.next(sqlWants, 1)
}

// named reads a name, with what stands in parentheses after it.
func (s *sqlShape) named(i int) int {
	n := 1
	if s.at(i+1) == "()" {
		n = 2
	}
	switch {
	case s.at(i-1) == "as" && s.state == sqlWants:
		return s.next(sqlNamed, n)
	case s.state == sqlWants:
		return s.next(sqlHas, n)
	case s.state == sqlHas && n == 1:
		return s.next(sqlNamed, n)
	}
	return 0
}

// word reads a word.
func (s *sqlShape) word(i int) int {
	word, after := s.at(i), s.at(i+1)
	list := s.lists[word]
	switch {
	case word == "select", word == "values" && after == "()":
		return s.query(i)
	case word == "as" && s.state == sqlHas:
		if after == "not" || after == "materialized" { // WITH x AS NOT MATERIALIZED (...)
			return s.next(sqlWants, strings.Count(after, "not")+2)
		}
		return s.next(sqlWants, 1)
	case word == "with":
		return s.hints(i)
	case word == "case" && s.state == sqlWants:
		s.cases++
		return 1
	case word == "end" && s.cases > 0:
		s.cases--
		return s.next(sqlHas, 1)
	case list == sqlUnion:
		if after == "all" || after == "distinct" {
			return s.next(sqlWants, s.followed(2, s.at(i+2), "select", "values", "()"))
		}
		return s.next(sqlWants, s.followed(1, after, "select", "values", "()"))
	case after == "()" && (list == 0 || word == "left" || word == "right" || list == sqlOwnInfix && s.state == sqlWants || list == sqlUnit):
		if n, ok := s.special(i); ok {
			return n
		}
		return s.named(i) // a call
	case list == sqlClause, list == sqlInfix && s.state != sqlNamed, list == sqlPrefixed && s.state == sqlWants:
		return s.next(sqlWants, 1)
	case list == sqlOwnInfix && s.state != sqlNamed && after != "" && (!sqlToken{after}.word() || s.at(i+2) == "()"):
		return s.next(sqlWants, 1)
	case (word == "asc" || word == "desc") && s.state == sqlHas:
		return s.next(sqlNamed, 1)
	}
	if n, ok := s.special(i); ok {
		return n
	}
	return s.named(i)
}

// special reads what begins with a word that may also be a name, where what
// follows shows that it is none.
func (s *sqlShape) special(i int) (n int, ok bool) {
	after := s.at(i + 1)
	has := s.state != sqlWants
	switch word := s.at(i); {
	case word == "top" && !has && slices.Contains([]string{"select", "distinct", "all"}, s.at(i-1)) && (after == "0" || after == "()"):
		if n = 2; s.at(i+2) == "percent" {
			n++
		}
		if s.at(i+n) == "with" && s.at(i+n+1) == "ties" {
			n += 2
		}
		return n, true
	case (word == "limit" || word == "offset") && has:
		switch {
		case after == "all" && word == "limit":
			return s.next(sqlNamed, 2), true
		case after == "0" || after == "?" || after == "()":
			if n = 2; word == "offset" && (s.at(i+2) == "row" || s.at(i+2) == "rows") {
				return s.next(sqlNamed, 3), true
			}
			return s.next(sqlHas, n), true
		case after == ":":
			return s.next(sqlWants, 2), true
		}
	case word == "fetch" && has && (after == "first" || after == "next"):
		n = 2
		if s.at(i+n) == "0" || s.at(i+n) == "?" || s.at(i+n) == "()" {
			n++
		}
		rows, only := s.at(i+n), s.at(i+n+1)
		switch {
		case rows != "row" && rows != "rows":
		case only == "only":
			return s.next(sqlNamed, n+2), true
		case only == "with" && s.at(i+n+2) == "ties":
			return s.next(sqlNamed, n+3), true
		}
		return 0, true
	case word == "fetch" && has: // FETCH FROM c
		return 0, true
	case word == "nulls" && has && (after == "first" || after == "last"):
		return s.next(sqlNamed, 2), true
	case word == "natural" && has && slices.Contains([]string{"join", "inner", "left", "right", "full"}, after):
		return s.next(sqlWants, 1), true
	case (word == "using" || word == "filter") && has && after == "()":
		return s.next(sqlHas, 2), true
	case word == "within" && has && after == "group" && s.at(i+2) == "()":
		return s.next(sqlHas, 3), true
	case word == "lateral" && !has && after == "()":
		return s.next(sqlHas, 2), true
	case word == "window" && has && s.at(i+2) == "as" && s.at(i+3) == "()":
		return s.next(sqlHas, 4), true
	case word == "at" && s.state == sqlHas && after == "time" && s.at(i+2) == "zone":
		return s.next(sqlWants, 3), true
	case word == "similar" && s.state != sqlNamed && after == "to":
		return s.next(sqlWants, 2), true
	case word == "interval" && !has && (after == "'" || after == "0"):
		if n = 2; s.lists[s.at(i+2)] == sqlUnit && s.at(i+3) != "()" {
			n++
		}
		return s.next(sqlHas, n), true
	case (word == "date" || word == "time" || word == "timestamp") && !has && after == "'":
		return s.next(sqlHas, 2), true
	}
	return 0, false
}

// query reads the beginning of a query: of the first, of the one that WITH waits
// for, or of another one beside UNION.
func (s *sqlShape) query(i int) int {
	before := s.at(i - 1)
	if before == "all" || before == "distinct" {
		before = s.at(i - 2)
	}
	if i > 0 && s.lists[before] != sqlUnion && (!s.with || before != "()") {
		return 0
	}
	if s.with = false; s.at(i) == "values" {
		return s.next(sqlHas, 2)
	}
	return s.next(sqlWants, 1)
}

// hints reads WITH: before a query, or after a table or a column.
func (s *sqlShape) hints(i int) int {
	after := s.at(i + 1)
	switch {
	case i == 0:
		s.with = true
		if after == "recursive" {
			return 2
		}
		return 1
	case s.state == sqlWants:
		return 0
	case after == "rollup" || after == "cube" || after == "ordinality":
		return s.next(sqlNamed, 2)
	case after == "time" && s.at(i+2) == "zone": // timestamp with time zone
		return s.next(sqlHas, 3)
	case after != "()":
		return 0
	}
	for k, t := range s.groups[i+1] {
		if k%2 == 0 && !slices.Contains(strings.Fields(sqlHints), t.text) || k%2 == 1 && t.text != "," {
			return 0
		}
	}
	return s.next(sqlNamed, 2)
}

// followed returns n if what follows is one of these, and 0 otherwise.
func (s *sqlShape) followed(n int, after string, by ...string) int {
	if !slices.Contains(by, after) {
		return 0
	}
	return n
}
