package gates

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// What a path may measure, in bytes.
const (
	maxPath = 4096
	maxName = 255
)

// A Folder is the only part of the file system that a tool may use. Its
// condition, [Folder.Path], judges a path before the tool runs. Its methods open
// what the path names, and never follow it out of the folder, whatever links
// were put there since: a tool that opens files with them gets what was judged.
// Close it when it is no longer needed. A Folder is safe for concurrent use.
//
//	folder, err := gates.OpenFolder("/srv/docs")
//	...
//	gates.Arguments(gates.ArgumentRules{"read_file": {gates.Arg("path", folder.Path())}})
//
// It is built on [os.Root], and has its limits: mounts and device files within
// the folder are part of it, and on some systems directories that are moved
// while they are opened are not noticed.
//
// What is denied names the folder, as [OpenFolder] made it absolute; [Folder.Quiet] has
// it say no name.
type Folder struct {
	root *os.Root
	dirs []string // absolute paths under which the folder is known
	in   string   // how denials name it
}

// unnamedFolder is how denials name a folder that is quiet.
const unnamedFolder = "in the folder that the tool may use"

// OpenFolder opens a directory, which must exist, as a Folder.
func OpenFolder(dir string) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("gates: OpenFolder: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("gates: OpenFolder: %w", err)
	}
	f := &Folder{root: root, dirs: []string{abs}, in: "in the folder " + shown.Text(abs)}
	if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
		f.dirs = append(f.dirs, real)
	}
	return f, nil
}

// Quiet returns the same folder, which no denial names then, neither of its condition
// nor of its methods: models and users read denials. To close one of the two closes both.
func (f *Folder) Quiet() *Folder {
	quiet := *f
	quiet.in = unnamedFolder
	return &quiet
}

// Close closes the folder. Paths cannot be judged any more, which denies.
func (f *Folder) Close() error { return f.root.Close() }

// Path is satisfied by the path of something in the folder, or of something that is not
// there and would be in it: relative to the folder, or absolute. It looks at the file
// system, for links that lead out of the folder. A path that some tool or system may
// read in another way does not satisfy it; the package's doc lists them.
func (f *Folder) Path() Condition {
	c := Condition{judge: func(v value) answer {
		s, ok := v.str()
		if !ok {
			return answerUnknown
		}
		name, ok := f.name(s)
		if !ok {
			return answerNo
		}
		_, err := f.root.Stat(name)
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
			return answerYes
		case escapes(err):
			return answerNo
		}
		return answerUnknown
	}}
	return c.saying("be a path "+f.in, "be a path "+unnamedFolder)
}

// name returns a path relative to the folder, and whether it may be used.
func (f *Folder) name(path string) (string, bool) {
	if path == "" || len(path) > maxPath || !utf8.ValidString(path) || strings.ContainsFunc(path, unclear) || percentEncoded(path) {
		return "", false
	}
	first, _, _ := strings.Cut(path, "/")
	if strings.Contains(first, ":") || path[0] == '~' || path[0] == '-' {
		return "", false
	}
	if filepath.IsAbs(path) {
		rel, ok := f.within(path)
		if !ok {
			return "", false
		}
		path = rel
	}
	if filepath.ToSlash(filepath.Clean(path)) != strings.TrimSuffix(path, "/") || !filepath.IsLocal(path) {
		return "", false
	}
	for name := range strings.SplitSeq(path, "/") {
		if len(name) > maxName || name != "." && strings.TrimRight(name, ". ") != name {
			return "", false
		}
	}
	return path, true
}

// unclear reports whether a character in a path may be read as another one.
func unclear(r rune) bool {
	if r < utf8.RuneSelf {
		return unicode.IsControl(r) || strings.ContainsRune("\\$`\"<>|?*", r)
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(unclearDots, r) ||
		'\u2488' <= r && r <= '\u249b' // 1. to 20.
}

// unclearDots become text with a dot, a slash or a backslash by Unicode's
// compatibility mappings, or in the code pages of Windows.
const unclearDots = "\u2024\u2025\u2026\ufe19\ufe30\ufe52\uff0e\u33c2\u33c7\u33d8\U0001f100" + // dots
	"\u2044\u2215\u29f8\uff0f\u2100\u2101\u2105\u2106" + // slashes
	"\u2216\u29f5\u29f9\ufe68\uff3c\u00a5\u20a9" // backslashes

// within makes an absolute path relative to the folder.
func (f *Folder) within(path string) (string, bool) {
	for _, dir := range f.dirs {
		if rel, ok := strings.CutPrefix(path, dir); ok {
			if rel == "" {
				return ".", true
			}
			if rel, ok := strings.CutPrefix(rel, "/"); ok && rel != "" {
				return rel, true
			}
		}
	}
	return "", false
}

// percentEncoded reports whether s has a byte that is written as in URLs.
func percentEncoded(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '%' && strictjson.IsHex(s[i+1]) && strictjson.IsHex(s[i+2]) {
			return true
		}
	}
	return false
}

// Open opens what the path names for reading, as [os.Root.Open] does. A path
// that does not satisfy [Folder.Path], and one that leads out of the folder by
// now, is denied: the error is a [*middleware.DeniedError] with
// [middleware.CodePolicy], which a tool should return as it is.
func (f *Folder) Open(path string) (*os.File, error) {
	return f.OpenFile(path, os.O_RDONLY, 0)
}

// OpenFile opens what the path names, as [os.Root.OpenFile] does. It denies as
// [Folder.Open] does.
func (f *Folder) OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	name, ok := f.name(path)
	if !ok {
		return nil, f.deny(nil)
	}
	file, err := f.root.OpenFile(name, flag, perm)
	if escapes(err) {
		return nil, f.deny(err)
	}
	return file, err
}

func (f *Folder) deny(cause error) error {
	return &middleware.DeniedError{
		Gate: argumentsName, Code: middleware.CodePolicy, Err: cause,
		Reason: "the path must be " + f.in,
	}
}

// escapes reports whether os.Root refused to leave its directory. It has no
// error for that which can be told by anything but its text.
func escapes(err error) bool {
	p, ok := errors.AsType[*fs.PathError](err)
	return ok && p.Err != nil && p.Err.Error() == "path escapes from parent"
}
