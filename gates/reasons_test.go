package gates_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// TestReasonsNameWhatIsAllowed gives each condition a value that it cannot allow.
func TestReasonsNameWhatIsAllowed(t *testing.T) {
	thousands := make([]any, 10_000)
	for i := range thousands {
		thousands[i] = i
	}
	long := strings.Repeat("x", 100)
	longer := []any{long + "1", long + "2", long + "3"}
	dir := t.TempDir()
	folder, err := gates.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	web := func(rules gates.WebRules) gates.Condition { return gates.NewWeb(rules).URL() }
	for _, tt := range []struct {
		c           gates.Condition
		want, quiet string // after "must "
	}{
		{gates.Equal("EUR"), `be "EUR"`, "be the one value that is listed"},
		{gates.Equal(nil), `be null`, "be the one value that is listed"},
		{gates.OneOf("EUR"), `be "EUR"`, "be one of the values that are listed"},
		{gates.OneOf("EUR", 2.5, 1e6, true, nil, "a\n\"\u202e"), `be one of "EUR", 2.5, 1000000, true, null, "a\n\"\u202e"`, "be one of the values that are listed"},
		{gates.OneOf(), "be one of the values that are listed: there are none", "be one of the values that are listed"},
		{gates.OneOf(thousands...), "be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 9,990 more", "be one of the values that are listed"},
		{gates.OneOf(longer...), `be one of "` + long + `1" and 2 more`, "be one of the values that are listed"},
		{gates.Prefix("/srv/"), `begin with "/srv/"`, "begin with a prefix that is listed"},
		{gates.Prefix("ann@", "bob@"), `begin with one of "ann@", "bob@"`, "begin with a prefix that is listed"},
		{gates.Between(1, 5), "be a number between 1 and 5", "be a number between 1 and 5"},
		{gates.Length(9, math.MaxInt32), "have a length between 9 and 2147483647", "have a length between 9 and 2147483647"},
		{gates.Not(gates.OneOf("~evil")), "not be one of the values that are listed", "not be one of the values that are listed"},
		{gates.Each(gates.OneOf("a", "b"), gates.Length(1, 1)), `be a list in which each item must be one of "a", "b" and have a length between 1 and 1`, "be a list in which each item is allowed"},
		{gates.Each(gates.Quiet(gates.OneOf("a"))), "be a list in which each item must be one of the values that are listed", "be a list in which each item is allowed"},
		{gates.Each(gates.OneOf(longer...), gates.OneOf(longer...), gates.OneOf(longer...), gates.OneOf(longer...)),
			"be a list in which each item is allowed", "be a list in which each item is allowed"},
		{gates.Each(), "be a list", "be a list in which each item is allowed"},
		{gates.AtMost(2, gates.Prefix("x")), `be a list in which no more than 2 items may begin with "x"`, "be a list with no more than 2 items of the kind that is bounded"},
		{gates.AtMost(2), "be a list of no more than 2 items", "be a list with no more than 2 items of the kind that is bounded"},
		{gates.Field("id", gates.OneOf(1, 2)), `have a field "id", which must be one of 1, 2`, `have a field "id" that is allowed`},
		{gates.Field("id"), `have a field "id"`, `have a field "id" that is allowed`},
		{folder.Path(), "be a path in the folder " + strconv.Quote(dir), "be a path in the folder that the tool may use"},
		{gates.Under("a"), `be at or below "a"`, "be at or below a source that is listed"},
		{gates.Under("a", "b"), `be at or below one of "a", "b"`, "be at or below a source that is listed"},
		{gates.Under(), "be at or below a source that is listed: there are none", "be at or below a source that is listed"},
		{folder.Quiet().Path(), "be a path in the folder that the tool may use", "be a path in the folder that the tool may use"},
		{web(gates.WebRules{Hosts: []string{"b.example.com", "*.example.org"}}),
			`be the URL of a host that the tool may reach, by https: "b.example.com", "*.example.org"`, "be the URL of a host that the tool may reach"},
		{web(gates.WebRules{Hosts: []string{"*"}, PlainHTTP: true, Ports: []int{80, 8443}}),
			`be the URL of a host that the tool may reach, by https or http at port 80, 8443: "*"`, "be the URL of a host that the tool may reach"},
		{web(gates.WebRules{}), "be the URL of a host that the tool may reach: there is none", "be the URL of a host that the tool may reach"},
		{web(gates.WebRules{Quiet: true, Hosts: []string{"a.example"}}), "be the URL of a host that the tool may reach", "be the URL of a host that the tool may reach"},
	} {
		for what, c := range map[string]gates.Condition{tt.want: tt.c, tt.quiet: gates.Quiet(tt.c)} {
			for range 3 { // the same each time
				h := middleware.Wrap(kit.Echo, gates.Arguments(gates.ArgumentRules{"t": {gates.Arg("x", c)}}))
				_, err := h(t.Context(), kit.Tool("t", `{"x":"~evil"}`))
				d, ok := errors.AsType[*middleware.DeniedError](err)
				if !ok || d.Reason != `argument "x" must `+what {
					t.Errorf("got %v, want it to end with: must %s", err, what)
				}
			}
		}
	}
}

// TestFolderAndWebNameThemselves looks at the denials of what opens files and
// connections.
func TestFolderAndWebNameThemselves(t *testing.T) {
	dir := t.TempDir()
	folder, err := gates.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	if err := os.Symlink(os.TempDir(), filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	const quietly = "the path must be in the folder that the tool may use"
	for want, f := range map[string]*gates.Folder{"the path must be in the folder " + strconv.Quote(dir): folder, quietly: folder.Quiet()} {
		for _, path := range []string{"../x", "out/x"} {
			_, err := f.Open(path)
			if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Reason != want {
				t.Errorf("%s: got %v, want %s", path, err, want)
			}
		}
	}
	for want, rules := range map[string]gates.WebRules{
		`the URL must be of a host that the tool may reach, by https: "a.example.com"`: {Hosts: []string{"a.example.com"}},
		"the URL must be of a host that the tool may reach":                            {Hosts: []string{"a.example.com"}, Quiet: true},
	} {
		web := gates.NewWeb(rules)
		_, err := web.DialContext(t.Context(), "tcp", "b.example.com:443")
		if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Reason != want {
			t.Errorf("got %v, want %s", err, want)
		}
		for _, url := range []string{"http://a.example.com/", "https://b.example.com/"} {
			resp, err := web.Client().Get(url)
			if err == nil {
				_ = resp.Body.Close()
			}
			if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Reason != want {
				t.Errorf("%s: got %v, want %s", url, err, want)
			}
		}
	}
}
