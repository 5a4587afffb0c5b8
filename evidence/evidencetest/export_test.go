package evidencetest

// Broken returns the names of the rules that the sink breaks, which make returns
// anew for each, and what is said of them.
func Broken(make func() Subject, records [][]byte) (broken map[string]string, tried int) {
	broken = map[string]string{}
	for _, r := range rules {
		s := make()
		switch err := r.check(&s, records); err {
		case nil:
			tried++
		case errSkip:
		default:
			tried++
			broken[r.name] = err.Error()
		}
	}
	return broken, tried
}

// Rules is how many rules there are.
var Rules = len(rules)
