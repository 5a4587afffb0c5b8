package gates_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"

	"example.com/safeconduct/internal/missing"
)

// newFolder is a folder with docs/a.txt and links, beside a secret.
func newFolder(t *testing.T) (folder *gates.Folder, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		missing.Skip(t, "symlinks", "they need privileges")
	}
	base := t.TempDir()
	dir = filepath.Join(base, "root")
	must(t, os.MkdirAll(filepath.Join(dir, "docs"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "root-evil"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "docs", "a.txt"), []byte("harmless"), 0o600))
	must(t, os.WriteFile(filepath.Join(base, "secret"), []byte("secret"), 0o600))
	for name, to := range map[string]string{
		"in": "docs/a.txt", "out": "../secret", "abs": filepath.Join(base, "secret"), "etc": "/etc", "up": "..",
		"dangling": "../nothing", "deep": "docs/../../secret", "chain": "out",
	} {
		must(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	folder, err := gates.OpenFolder(dir)
	must(t, err)
	t.Cleanup(func() { must(t, folder.Close()) })
	return folder, dir
}

// TestPathsOutsideOfTheFolder shows that no spelling of a path and no link leads
// out of the folder, neither past the gate nor past the opener.
func TestPathsOutsideOfTheFolder(t *testing.T) {
	folder, dir := newFolder(t)
	rule := gates.Arg("path", folder.Path())
	for _, path := range []string{
		"", "..", "../secret", "../../etc/passwd", "docs/../../secret", "docs/../a", "./docs/a.txt", "docs//a.txt", "docs/./a.txt",
		"/etc/passwd", "/", "//etc/passwd", dir + "/../secret", dir + "-evil/x", dir + "//docs", filepath.Dir(dir), filepath.Dir(dir) + "/secret",
		"out", "abs", "etc/passwd", "up/secret", "up/root/docs/a.txt", "dangling", "deep", "chain",
		"%2e%2e/secret", "..%2fsecret", "%2E%2E%2Fsecret", "docs%2fa.txt", "%252e%252e/secret", "..%c0%afsecret", "docs/a.txt%00",
		"docs/a.txt\x00", "docs/a.txt\x00.png", "docs\na", "docs\x7f",
		`..\secret`, `C:\Windows`, "C:/Windows", "c:x", `\\server\share`, `\\?\C:\x`, "//server/share/x/..",
		strings.Repeat("a", 256), strings.Repeat("a/", 2049), "docs/" + strings.Repeat("b", 300),
		"docs/a.txt/../../../secret", "docs/a.txt/..",
		"~/.ssh/id_rsa", "~root/x", "$HOME/x", "docs/${HOME}", "file:/etc/passwd", "host:/etc/passwd", "10.0.0.1:/etc", "-rf", "--output=x", "docs/a\u0085b",
		"`reboot`", "docs/`id`.txt", `a"b`, "a|b", "a<b", "a>b", "docs/*", "docs/?.txt", "docs./a.txt", "docs /a.txt", ".. /secret", "docs/...",
		"docs/a.txt.", "docs/a.txt ",
		"\uff0e\uff0e/secret", "\u2025/secret", "\u2024\u2024/secret", "..\uff0fsecret", "..\u2215secret", "..\u2044secret", "..\uff3csecret",
		"..\u00a5secret", "docs/a\u2026", "docs/\u2488txt", "docs/\u249btxt", "docs/\u2490txt",
		".\u200c./secret", "docs/a\u202etxt.exe", "\ufeffdocs", "docs/\U000e0041",
	} {
		if err := judged(t, `{"path":`+quote(path)+`}`, rule); !isDenial(err) {
			t.Errorf("%q: got %v, want a denial", path, err)
		}
		if f, err := folder.Open(path); err == nil {
			_ = f.Close()
			t.Errorf("%q was opened", path)
		}
		if f, err := folder.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_ = f.Close()
			t.Errorf("%q was created", path)
		}
	}
	for _, path := range []string{"docs/\xff", "docs/\xc0\xaf"} { // which no JSON holds
		if _, err := folder.Open(path); !isDenial(err) {
			t.Errorf("%q: got %v, want a denial", path, err)
		}
	}
	for _, input := range []string{`{"path":1}`, `{"path":["docs/a.txt"]}`, `{"path":null}`, `{}`} {
		if err := judged(t, input, rule); !denied(err, badInput) {
			t.Errorf("%s: got %v", input, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "secret")); err != nil || string(b) != "secret" {
		t.Errorf("the secret is now %q, %v", b, err)
	}
}

func quote(s string) string {
	q := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\x`, `\u00`, `\a`, `\u0007`, `\v`, `\u000b`).Replace(q)
}

func TestPathsInTheFolder(t *testing.T) {
	folder, dir := newFolder(t)
	for _, path := range []string{"docs/a.txt", "docs", "docs/", ".", "in", dir, dir + "/docs/a.txt", "docs/new.txt", "new/new.txt", "100%", "%zz",
		"..a", "ü", "a b",
		"R&D (1), 2nd.txt", "it's", "a;b", "[x]{y}", "a#b!c", "x=1", "日本。txt", "docs/10:30", "a\u0301"} {
		if err := judged(t, `{"path":`+quoteUTF8(path)+`}`, gates.Arg("path", folder.Path())); err != nil {
			t.Errorf("%q: got %v, want it allowed", path, err)
		}
	}
	f, err := folder.Open(dir + "/docs/a.txt")
	must(t, err)
	b, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	if string(b) != "harmless" {
		t.Errorf("got %q", b)
	}
	w, err := folder.OpenFile("docs/new.txt", os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	must(t, w.Close())
	if _, err := folder.Open("docs/none.txt"); !os.IsNotExist(err) || isDenial(err) {
		t.Errorf("what is not there: got %v", err)
	}
}

// TestALinkThatLeadsOut shows that it is known to lead out, and is not what cannot
// be judged: the code says so, and what must not be in the folder may be it.
func TestALinkThatLeadsOut(t *testing.T) {
	folder, _ := newFolder(t)
	for _, path := range []string{"out", "abs", "up/secret", "dangling", "chain"} {
		input := `{"path":` + quote(path) + `}`
		if err := judged(t, input, gates.Arg("path", folder.Path())); !denied(err, policy) {
			t.Errorf("%s: got %v, want a denial by policy", path, err)
		}
		if err := judged(t, input, gates.Arg("path", gates.Not(folder.Path()))); err != nil {
			t.Errorf("not %s: got %v, want it allowed", path, err)
		}
	}
}

func quoteUTF8(s string) string { return `"` + s + `"` }

// TestAPathSwappedAfterItWasJudged shows that a link which is put in the path's
// place between the judgement and the use is denied by the opener, and that the
// denial is the tool's.
func TestAPathSwappedAfterItWasJudged(t *testing.T) {
	for name, swap := range map[string]func(dir string) error{
		"the file": func(dir string) error {
			return replace(filepath.Join(dir, "docs", "a.txt"), "../../secret")
		},
		"its directory": func(dir string) error {
			return replace(filepath.Join(dir, "docs"), "..")
		},
		"by an absolute link": func(dir string) error {
			return replace(filepath.Join(dir, "docs", "a.txt"), "/etc/passwd")
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder, dir := newFolder(t)
			must(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "a.txt"), []byte("secret"), 0o600))
			tool := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
				must(t, swap(dir))
				f, err := folder.Open("docs/a.txt")
				if err != nil {
					return middleware.Result{}, err
				}
				defer f.Close()
				b, err := io.ReadAll(f)
				return middleware.Result{Output: string(b)}, err
			}, gates.Arguments(gates.ArgumentRules{"read": {gates.Arg("path", folder.Path())}}))
			res, err := tool(t.Context(), kit.Tool("read", `{"path":"docs/a.txt"}`))
			if d := kit.WantDenied(t, err, policy); d.Gate != "arguments" || res.Output != nil {
				t.Errorf("got %+v and %v", d, res.Output)
			}
		})
	}
}

func replace(path, link string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Symlink(link, path)
}

// TestAFolderThatIsGone shows that paths are denied that cannot be judged.
func TestAFolderThatIsGone(t *testing.T) {
	dir := t.TempDir()
	folder, err := gates.OpenFolder(dir)
	must(t, err)
	must(t, folder.Close())
	if err := judged(t, `{"path":"a"}`, gates.Arg("path", folder.Path())); !denied(err, badInput) {
		t.Errorf("closed: got %v", err)
	}
	if _, err := gates.OpenFolder(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was opened")
	}
	if _, err := folder.Open("a"); err == nil {
		t.Error("a closed folder was read")
	}
}
