package safeconduct_test

import (
	"bufio"
	"bytes"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// depsPolicy is the order of the packages: each may import the standard library
// and what stands behind its colon, and nothing else.
//
// DO NOT CHANGE THIS TEXT TO FIX BUILDS. A new edge is a design decision.
const depsPolicy = `
	.:
	internal/foreign:
	internal/shown:
	internal/strictjson:
	middleware: internal/foreign internal/shown
	middleware/middlewaretest: middleware internal/foreign
	httpreplay:
	internal/delivery: internal/foreign github.com/sony/gobreaker github.com/cenkalti/backoff/v5
	internal/osfile: golang.org/x/sys
	internal/pair: golang.org/x/sys
	internal/random:
	internal/sample:
	internal/jsontest: internal/pair internal/missing pgregory.net/rapid
	internal/missing:
	gates: middleware internal/foreign internal/shown internal/strictjson
	schema/internal/phrase: internal/shown
	schema/internal/graph: internal/strictjson schema/internal/phrase github.com/santhosh-tekuri/jsonschema/v5
	schema/internal/format: internal/strictjson github.com/santhosh-tekuri/jsonschema/v5
	schema/internal/cost: internal/strictjson schema/internal/graph
	schema/internal/plan: internal/strictjson schema/internal/phrase schema/internal/graph schema/internal/format schema/internal/cost github.com/santhosh-tekuri/jsonschema/v5
	schema/internal/schematest: internal/jsontest schema/internal/graph schema/internal/format github.com/santhosh-tekuri/jsonschema/v5 pgregory.net/rapid
	schema/repair: internal/strictjson github.com/go-json-experiment/json
	schema: middleware internal/foreign internal/shown internal/strictjson schema/repair schema/internal/phrase schema/internal/graph schema/internal/format schema/internal/cost schema/internal/plan github.com/santhosh-tekuri/jsonschema/v5 github.com/google/jsonschema-go
	evidence/record: github.com/go-json-experiment/json
	evidence/trust: evidence/record internal/osfile github.com/go-json-experiment/json
	evidence/internal/tiles: internal/osfile golang.org/x/mod
	evidence/internal/segment: internal/osfile
	evidence/internal/chain: evidence/record evidence/trust evidence/internal/segment evidence/internal/tiles internal/osfile
	evidence/internal/ship: evidence/record evidence/internal/segment evidence/internal/tiles internal/delivery internal/osfile
	evidence: middleware internal/foreign internal/delivery internal/osfile evidence/record evidence/trust evidence/internal/tiles evidence/internal/segment evidence/internal/chain evidence/internal/ship github.com/go-json-experiment/json github.com/google/uuid
	evidence/evidencetest: evidence
	evidence/replica: evidence evidence/record evidence/trust evidence/internal/segment evidence/internal/tiles evidence/internal/chain
	evidence/internal/segmenttest: evidence/internal/segment
	evidence/internal/ledgertest: evidence evidence/record evidence/trust evidence/replica evidence/internal/segment evidence/internal/segmenttest evidence/internal/tiles pgregory.net/rapid
	evidence/collector: evidence evidence/replica evidence/record evidence/trust internal/osfile github.com/go-json-experiment/json
	evidence/httpsink: evidence internal/delivery
	adapters/adaptertest: middleware
	adapters/aitracer: evidence/record internal/foreign internal/delivery
	adapters/langchaingo: middleware internal/foreign internal/strictjson github.com/tmc/langchaingo
	adapters/langchaingo/langchaingotest: middleware github.com/tmc/langchaingo
	coverage: middleware github.com/tmc/langchaingo
	cmd/safeconduct: evidence evidence/record evidence/trust evidence/collector github.com/spf13/cobra
	examples/quickstart: middleware gates schema evidence evidence/trust adapters/langchaingo httpreplay github.com/tmc/langchaingo
	examples/existing-app: gates adapters/langchaingo httpreplay github.com/tmc/langchaingo
	examples/custom-gate: middleware
	examples/own-loop: middleware gates
	examples/chat: middleware gates adapters/langchaingo adapters/langchaingo/langchaingotest github.com/tmc/langchaingo
	examples/react: middleware gates adapters/langchaingo adapters/langchaingo/langchaingotest github.com/tmc/langchaingo
	examples/rag: gates adapters/langchaingo adapters/langchaingo/langchaingotest github.com/tmc/langchaingo
	examples/typed-answer: gates schema adapters/langchaingo adapters/langchaingo/langchaingotest
	examples/policy-test: middleware gates
	examples/server: middleware gates adapters/langchaingo adapters/langchaingo/langchaingotest github.com/tmc/langchaingo
	examples/streaming: middleware gates schema adapters/langchaingo httpreplay github.com/tmc/langchaingo
	examples/structured-output: middleware gates schema adapters/langchaingo httpreplay github.com/tmc/langchaingo
	examples/telemetry: gates evidence evidence/trust evidence/collector evidence/httpsink adapters/langchaingo httpreplay github.com/tmc/langchaingo
	examples/budget: middleware gates adapters/langchaingo httpreplay github.com/tmc/langchaingo
`

const module = "example.com/safeconduct"

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.Fields(string(out))
}

func TestImportsKeepTheOrderOfThePackages(t *testing.T) {
	allowed := make(map[string][]string)
	for s := bufio.NewScanner(strings.NewReader(depsPolicy)); s.Scan(); {
		pkg, deps, ok := strings.Cut(strings.TrimSpace(s.Text()), ":")
		if ok {
			allowed[path.Join(module, pkg)] = strings.Fields(deps)
		}
	}
	std := goList(t, "std")
	exist := make(map[string]bool)
	for _, line := range goList(t, "-f", `{{.ImportPath}}:{{join .Imports ","}}`, "./...") {
		pkg, imports, _ := strings.Cut(line, ":")
		exist[pkg] = true
		want, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s has no place in the order of the packages", pkg)
			continue
		}
		for imp := range strings.SplitSeq(imports, ",") {
			if imp != "" && !slices.Contains(std, imp) && !slices.ContainsFunc(want, func(w string) bool { return within(imp, w) }) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
	for pkg := range allowed {
		if !exist[pkg] {
			t.Errorf("%s stands in the order of the packages and does not exist", pkg)
		}
	}
}

// within reports whether the import is that of an allowed dependency: a package
// of this module by its exact path, or any package of another module.
func within(imp, allowed string) bool {
	if !strings.Contains(strings.SplitN(allowed, "/", 2)[0], ".") {
		return imp == path.Join(module, allowed)
	}
	return imp == allowed || strings.HasPrefix(imp, allowed+"/")
}

func TestTheCoreIsFreeOfLangchaingo(t *testing.T) {
	for _, dep := range goList(t, "-deps", "./middleware", "./gates", "./schema", "./evidence", "./cmd/safeconduct") {
		if strings.HasPrefix(dep, "github.com/tmc/") {
			t.Errorf("the core depends on %s", dep)
		}
	}
}
