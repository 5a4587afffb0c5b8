package ship

// ParseCursor parses a cursor's file and encodes it again.
func ParseCursor(b, key []byte) ([]byte, error) {
	c, err := parseCursor(b, key)
	if err != nil {
		return nil, err
	}
	return c.encode(key), nil
}
