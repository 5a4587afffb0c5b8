package tiles

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Reach returns how many leaves a log has at least, if all complete tiles below dir are
// its own, and the tile that says so, "" where there is none. It goes by names alone,
// and ignores partial tiles, entries, and files that are not named as tiles.
func Reach(dir string) (leaves int64, tile string, err error) {
	levels, err := os.ReadDir(filepath.Join(dir, "tile"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	for _, entry := range levels {
		level, err := strconv.Atoi(entry.Name())
		if err != nil || level < 0 || level > maxLevel || strconv.Itoa(level) != entry.Name() || !entry.IsDir() {
			continue
		}
		n, err := lastTile(filepath.Join(dir, "tile", entry.Name()), "")
		if err != nil {
			return 0, "", err
		}
		if n < 0 {
			continue
		}
		if l := leavesOf(level, n); l > leaves {
			leaves, tile = l, TilePath(level, n, tileWidth)
		}
	}
	return leaves, tile, nil
}

// maxLevel is the highest that a path can name (C2SP tlog-tiles).
const maxLevel = 63

// leavesOf returns how many leaves there are where the n-th tile of a level is
// complete, at most MaxSize.
func leavesOf(level int, n int64) int64 {
	leaves := n + 1
	for range level + 1 {
		if leaves > MaxSize/tileWidth {
			return MaxSize
		}
		leaves *= tileWidth
	}
	return leaves
}

// lastTile returns the highest number of a complete tile in a directory of a level,
// -1 where there is none. The names of directories that lead there begin with an x.
func lastTile(dir, name string) (int64, error) {
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		return -1, err
	}
	last := int64(-1)
	for _, e := range entries {
		full := path.Join(name, e.Name())
		if e.IsDir() && strings.HasPrefix(e.Name(), "x") && strings.Count(full, "/") < 6 {
			n, err := lastTile(dir, full)
			if err != nil {
				return -1, err
			}
			last = max(last, n)
			continue
		}
		n, err := strconv.ParseInt(strings.NewReplacer("x", "", "/", "").Replace(full), 10, 64)
		if err == nil && tileName(n, tileWidth) == full {
			last = max(last, n)
		}
	}
	return last, nil
}
