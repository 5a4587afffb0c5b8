package tiles

import "fmt"

// TilePath returns where the n-th tile of a level is, below the directory of the
// log and with slashes: tile/0/x001/x234/067, and tile/0/x001/x234/067.p/8 for
// one of 8 hashes. A width of 256 is a complete tile.
func TilePath(level int, n int64, width int) string {
	return fmt.Sprintf("tile/%d/%s", level, tileName(n, width))
}

// BundlePath returns where the n-th bundle of entries is, as TilePath does.
func BundlePath(n int64, width int) string {
	return "tile/entries/" + tileName(n, width)
}

func tileName(n int64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width != tileWidth {
		name = fmt.Sprintf("%s.p/%d", name, width)
	}
	return name
}
