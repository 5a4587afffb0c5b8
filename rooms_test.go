package safeconduct_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The bounds that keep files and rooms in sight.
const (
	maxFiles   = 40  // of a package, tests aside
	maxLines   = 450 // of a file
	maxColumns = 140 // of a line of code, with tabs of four, tests aside
)

func TestRoomsKeepTheirBounds(t *testing.T) {
	files := make(map[string]int) // by directory
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (path == "bin" || name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		lines := strings.Split(read(t, path), "\n")
		if n := len(lines) - 1; n > maxLines {
			t.Errorf("%s has %d lines, and %d is the most", path, n, maxLines)
		}
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files[filepath.Dir(path)]++
		for i, line := range lines {
			if n := len([]rune(strings.ReplaceAll(line, "\t", "    "))); n > maxColumns {
				t.Errorf("%s:%d: %d columns, and %d is the most", path, i+1, n, maxColumns)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, n := range files {
		if n > maxFiles {
			t.Errorf("%s has %d files, and %d is the most", dir, n, maxFiles)
		}
	}
	if len(files) < 20 {
		t.Errorf("got %d packages: this looked elsewhere", len(files))
	}
}
