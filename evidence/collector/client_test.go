package collector_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/collector"
)

const someHash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

func TestParseClients(t *testing.T) {
	good := `{"version":1,"clients":[{"name":"agent","sha256":"` + someHash + `","write":["prod"]},` +
		`{"name":"auditor","sha256":"fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9","read":["*"]}]}`
	got, err := collector.ParseClients([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "agent" || got[0].Key != collector.HashKey("foo") || got[0].Write[0] != "prod" || got[0].Read != nil ||
		got[1].Read[0] != "*" {
		t.Errorf("got %+v", got)
	}
	client := func(members string) string { return `{"version":1,"clients":[{` + members + `}]}` }
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":           {"", "is cut off"},
		"cut off":           {good[:50], "is cut off"},
		"not JSON":          {"clients: []", "is not JSON that is taken: offset 0"},
		"twice":             {`{"version":1,"version":1,"clients":[]}`, "is not JSON that is taken"},
		"after the end":     {good + "{}", "is not JSON that is taken"},
		"an unknown member": {`{"version":1,"client":[]}`, "a member is not known or of the wrong type"},
		"a case twin":       {client(`"Name":"agent","sha256":"` + someHash + `"`), "a member is not known"},
		"no clients":        {`{"version":1}`, "the member clients is missing or null"},
		"null for clients":  {`{"version":1,"clients":null}`, "the member clients is missing or null"},
		"a ledger of a dot": {client(`"name":"agent","sha256":"` + someHash + `","write":["prod","."]`),
			`client 1: a ledger that is called "." has no place in a URL`},
		"a ledger of two dots": {client(`"name":"agent","sha256":"` + someHash + `","read":[".."]`),
			`client 1: a ledger that is called ".." has no place in a URL`},
		"of the wrong type": {`{"version":1,"clients":{}}`, "a member is not known or of the wrong type"},
		"another version":   {`{"version":2,"clients":[]}`, "version 2 is not known, only 1"},
		"no version":        {`{"clients":[]}`, "version 0 is not known"},
		"no name":           {client(`"sha256":"` + someHash + `"`), "client 1: the name is missing or empty"},
		"no key":            {client(`"name":"agent"`), "client 1: sha256 is not 64"},
		"a short key":       {client(`"name":"agent","sha256":"2c26"`), "client 1: sha256 is not 64"},
		"the key itself":    {client(`"name":"agent","sha256":"` + strings.Repeat("secret! ", 8) + `"`), "client 1: sha256 is not 64"},
		"an upper-case key": {client(`"name":"agent","sha256":"` + strings.ToUpper(someHash) + `"`), "client 1: sha256 is not 64"},
		"a key of zeros":    {client(`"name":"agent","sha256":"` + strings.Repeat("0", 64) + `"`), "client 1: the hash of the key is missing"},
		"the hash of nothing": {client(`"name":"agent","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`),
			"client 1: the key is empty"},
		"a ledger without name": {client(`"name":"agent","sha256":"` + someHash + `","write":[""]`), "client 1: a ledger without a name"},
		"two of a name":         {strings.ReplaceAll(good, "auditor", "agent"), "client 2: the name is that of another"},
		"two with a key": {strings.ReplaceAll(good, "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9", someHash),
			"client 2: the key is that of another"},
	} {
		_, err := collector.ParseClients([]byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), "collector: clients: ") || !strings.Contains(err.Error(), tt.want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestLoadClients(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clients.json")
	if _, err := collector.LoadClients(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	text := []byte(`{"version":1,"clients":[{"name":"agent","sha256":"` + someHash + `"}]}`)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := collector.LoadClients(path); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Fatal(err)
	}
	if _, err := collector.LoadClients(path + ".link"); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := collector.LoadClients(path); err == nil || !strings.Contains(err.Error(), "chmod 600 it") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path+".bad", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := collector.LoadClients(path + ".bad"); err == nil || !strings.Contains(err.Error(), path+".bad: is cut off") {
		t.Errorf("got %v", err)
	}
}

// Whatever an origin is, the name of its directory is one plain name, and no two
// share one, whatever the file system tells apart.
func TestDirectoriesOfLedgers(t *testing.T) {
	seen := make(map[string]string)
	for _, origin := range []string{
		"prod", "Prod", "PROD", "prod.", "prod/", "prod\\", "..", ".", "../prod", "/etc/passwd", "C:\\x", "con", "NUL", "-rf", "a\x00b",
		"pröd", "pro\u0308d", "ﬁ", strings.Repeat("x", 255), strings.Repeat("x", 254), strings.Repeat("ä", 127), "prod-d9d2", "~", "$HOME", "*",
	} {
		name := collector.DirName(origin)
		if len(name) > 80 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || filepath.Base(name) != name {
			t.Errorf("%q: got %q", origin, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q: both %q", origin, other, name)
		}
		seen[name] = origin
	}
	if got, want := collector.DirName("prod"), "prod-"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
}
