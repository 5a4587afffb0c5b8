package evidence

// Kept returns how many bytes of a content a queued record keeps alive.
func Kept(content any) int {
	_, kept := snapshot(content)
	return kept
}
