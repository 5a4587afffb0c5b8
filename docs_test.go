package safeconduct_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are the pages that speak of the code as it is; the changelog also speaks
// of the code as it was.
func pages() []string {
	return []string{"README.md", "CONTROLS.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md"}
}

func TestControlsNameTestsThatExist(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| .*\|$`).FindAllString(read(t, "CONTROLS.md"), -1)
	if len(rows) < 40 {
		t.Fatalf("CONTROLS.md has %d rows", len(rows))
	}
	makefile := read(t, "Makefile")
	verified := regexp.MustCompile("^(?:(`Test\\w+`(?:, `Test\\w+`)*) in ([\\w/]+)|`make ([a-z-]+)`)$")
	for _, row := range rows[1:] { // the first is the head
		cells := strings.Split(strings.Trim(row, "|"), "|")
		m := verified.FindStringSubmatch(strings.TrimSpace(cells[len(cells)-1]))
		switch {
		case len(cells) != 3 || m == nil:
			t.Errorf("nothing verifies %s", row)
		case m[3] != "":
			if !strings.Contains(makefile, "\n.PHONY: "+m[3]+"\n") {
				t.Errorf("there is no make %s", m[3])
			}
		default:
			for _, name := range strings.Split(strings.ReplaceAll(m[1], "`", ""), ", ") {
				if !hasTest(t, m[2], name) {
					t.Errorf("there is no %s in %s", name, m[2])
				}
			}
		}
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(f string) bool {
		return strings.Contains(read(t, f), "\nfunc "+name+"(t *testing.T)")
	})
}

// The words of a page that stand as code are names, as gates.Budget or
// schema.Schema.Validate, commands, as make test, and in ARCHITECTURE.md files.
func TestPagesNameWhatExists(t *testing.T) {
	exported := exportedNames(t)
	makefile := read(t, "Makefile")
	isPath := regexp.MustCompile(`^[\w-]+/[\w./-]+$|\.(go|md)$`)
	name := regexp.MustCompile(`^([a-z]+)\.[A-Z]\w*(\.[A-Z]\w*)?$`)
	for _, page := range pages() {
		found := 0
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(withoutBlocks(read(t, page)), -1) {
			code := m[1]
			if target, ok := strings.CutPrefix(code, "make "); ok && !strings.Contains(makefile, "\n.PHONY: "+target+"\n") {
				t.Errorf("%s: there is no make %s", page, target)
			}
			if page == "ARCHITECTURE.md" && isPath.MatchString(code) && code != "doc.go" {
				if _, err := os.Stat(code); err != nil {
					t.Errorf("%s: %v", page, err)
				}
			}
			n := name.FindStringSubmatch(code)
			if n == nil || exported[n[1]] == nil {
				continue // no name, or that of something outside of this module
			}
			found++
			if !exported[n[1]][code] {
				t.Errorf("%s: there is no %s", page, code)
			}
		}
		if page == "CONTROLS.md" && found < 30 {
			t.Errorf("%s names %d things only", page, found)
		}
	}
}

// exportedNames returns what the packages of the module export, by their names:
// gates.Budget, and for methods and fields schema.Schema.Validate.
func exportedNames(t *testing.T) map[string]map[string]bool {
	t.Helper()
	exported := make(map[string]map[string]bool)
	for _, dir := range goList(t, "-f", "{{.Dir}}", "./...") {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			pkg := f.Name.Name
			if pkg == "main" {
				continue
			}
			if exported[pkg] == nil {
				exported[pkg] = make(map[string]bool)
			}
			for _, decl := range f.Decls {
				for _, name := range declared(decl) {
					exported[pkg][pkg+"."+name] = true
				}
			}
		}
	}
	return exported
}

func declared(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := d.Recv.List[0].Type
			if p, ok := receiver.(*ast.StarExpr); ok {
				receiver = p.X
			}
			if g, ok := receiver.(*ast.IndexExpr); ok {
				receiver = g.X
			}
			if id, ok := receiver.(*ast.Ident); ok {
				name = id.Name + "." + name
			}
		}
		names = append(names, name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, id := range s.Names {
					names = append(names, id.Name)
				}
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, id := range field.Names {
							names = append(names, s.Name.Name+"."+id.Name)
						}
					}
				}
			}
		}
	}
	return names
}

func withoutBlocks(page string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(page, "")
}

func TestLinksHold(t *testing.T) {
	anchors := regexp.MustCompile(`(?m)^#+ (.*)$`)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || file != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if path.Ext(file) != ".md" {
			return nil
		}
		for _, m := range link.FindAllStringSubmatch(withoutBlocks(read(t, file)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			to := filepath.Join(filepath.Dir(file), target)
			if target == "" {
				to = file
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if anchor != "" && !slices.ContainsFunc(anchors.FindAllStringSubmatch(read(t, to), -1), func(h []string) bool {
				return strings.ToLower(strings.ReplaceAll(strings.Trim(h[1], "#` "), " ", "-")) == anchor
			}) {
				t.Errorf("%s: %s has no heading for #%s", file, to, anchor)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The rooms of the architecture are the packages that there are.
func TestArchitectureNamesEachPackage(t *testing.T) {
	architecture := read(t, "ARCHITECTURE.md")
	if n := strings.Count(architecture, "\n"); n >= 120 {
		t.Errorf("ARCHITECTURE.md has %d lines, want under 120", n)
	}
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`(?:, `([^`]+)`)* \\|").FindAllString(architecture, -1) {
		for _, n := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m, -1) {
			named = append(named, n[1])
		}
	}
	var want []string
	for _, pkg := range goList(t, "./...") {
		room := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
		if room == "" || strings.HasPrefix(room, "examples/") {
			continue // empty, and each a program that says itself what it shows
		}
		want = append(want, room)
		if !slices.Contains(named, room) {
			t.Errorf("ARCHITECTURE.md does not say what %s is for", room)
		}
	}
	for _, room := range named {
		if slices.Contains(want, room) {
			continue
		}
		if _, err := os.Stat(filepath.Join(room, "go.mod")); err != nil && room != "examples" {
			t.Errorf("ARCHITECTURE.md speaks of %s, which is no package", room)
		}
	}
}
