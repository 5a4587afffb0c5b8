package strictjson

// A NameSet holds the names of the properties of one object, as they are or as [Fold]
// maps them. The zero NameSet is empty.
type NameSet struct {
	few  [12]string
	n    int
	many map[string]struct{}
}

// Add reports whether the name was new.
func (s *NameSet) Add(name string) bool {
	if s.many == nil {
		for _, have := range s.few[:s.n] {
			if have == name {
				return false
			}
		}
		if s.n < len(s.few) {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, have := range s.few {
			s.many[have] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}
