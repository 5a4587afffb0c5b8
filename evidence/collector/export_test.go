package collector

import "io"

// ReadLines is readLines.
func ReadLines(r io.Reader, most int, take func([][]byte) error) error {
	return readLines(r, most, take)
}

// Files is files.
func Files() int { return maxOpenFiles() }

// DirName is dirName.
func DirName(origin string) string { return dirName(origin) }

// The bounds of a batch.
const (
	BatchRecords = batchRecords
	BatchBytes   = batchBytes
)
