package safeconduct_test

import (
	"strings"
	"testing"
)

// Whoever copies an example has the public packages only.
func TestExamplesImportPublicPackagesOnly(t *testing.T) {
	const imports = `{{$p := .ImportPath}}{{range .Imports}}{{$p}}={{.}} {{end}}{{range .TestImports}}{{$p}}={{.}} {{end}}` +
		`{{range .XTestImports}}{{$p}}={{.}} {{end}}`
	found := goList(t, "-f", imports, "./examples/...")
	for _, edge := range found {
		pkg, imp, _ := strings.Cut(edge, "=")
		if strings.HasPrefix(imp, module) && strings.Contains(imp+"/", "/internal/") {
			t.Errorf("%s imports %s: a copy of it does not compile", pkg, imp)
		}
	}
	if len(found) < 50 {
		t.Errorf("got %d imports: this looked elsewhere", len(found))
	}
}
