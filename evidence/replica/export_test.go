package replica

import "example.com/safeconduct/evidence/internal/segment"

// OpenOn is Open on another disk, with segments of so many bytes.
func OpenOn(dir string, cfg Config, disk *segment.Disk, size int64) (*Replica, error) {
	return open(dir, cfg, *disk, size)
}
