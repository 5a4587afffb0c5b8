package unguarded

import (
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/tools/go/analysis"
)

// New returns the analyzer, with flags of its own.
func New() *analysis.Analyzer {
	var o options
	a := &analysis.Analyzer{
		Name: "unguarded",
		Doc: "find calls around a guard\n\n" +
			"In programs that use safeconduct, the analyzer reports calls of models, tools,\n" +
			"retrievers, chains and agents, and requests of providers' own clients, that no\n" +
			"guard can be seen to stand before. //safeconduct:unguarded REASON at the end of\n" +
			"such a line, or alone on the line above, silences it.",
		FactTypes: factTypes(),
	}
	a.Flags.BoolVar(&o.list, "list", false, "report also what is unguarded on purpose, each with its reason")
	a.Flags.BoolVar(&o.tests, "tests", false, "report also what is in tests")
	a.Run = func(pass *analysis.Pass) (any, error) { return nil, run(pass, o) }
	return a
}

type options struct{ list, tests bool }

func run(pass *analysis.Pass, o options) error {
	path := pass.Pkg.Path()
	if within(path, framework) || isClient(path) || strings.HasPrefix(path, adapters) {
		return nil // what is called there is what guards stand before, or a guard
	}
	uses, seen := imports(pass)
	if seen && exportsFacts(pass) {
		pass.ExportPackageFact(new(looked))
	}
	uses = uses || inModule(pass)
	d := newDirectives(pass, o, uses)
	if seen && uses || seen && exportsFacts(pass) {
		check(pass, o, d, uses)
	}
	d.finish()
	return nil
}

// exportsFacts reports whether other packages may ask for facts of this one.
func exportsFacts(pass *analysis.Pass) bool { return pass.Pkg.Name() != "main" }

// imports reports whether a package imports safeconduct, and whether it imports
// anything that can be called around a guard, itself or by a package that does.
func imports(pass *analysis.Pass) (uses, seen bool) {
	for _, file := range pass.Files {
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			uses = uses || within(path, ours)
			seen = seen || within(path, ours) || within(path, framework) || isClient(path)
		}
	}
	for _, imp := range pass.Pkg.Imports() {
		seen = seen || pass.ImportPackageFact(imp, new(looked))
	}
	return uses, seen
}

// inModule reports whether the package's module requires safeconduct, or is it.
func inModule(pass *analysis.Pass) bool {
	if len(pass.Files) == 0 {
		return false
	}
	dir := filepath.Dir(pass.Fset.File(pass.Files[0].Pos()).Name())
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			f, err := modfile.ParseLax("go.mod", data, nil)
			if err != nil || f.Module == nil {
				return false
			}
			if f.Module.Mod.Path == ours {
				return true
			}
			for _, r := range f.Require {
				if r.Mod.Path == ours && !r.Indirect {
					return true
				}
			}
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

// skips returns whether something at a position is in a test that is not looked at.
func (o options) skips(fset *token.FileSet) func(token.Pos) bool {
	return func(pos token.Pos) bool { return !o.tests && isTest(fset, pos) }
}
