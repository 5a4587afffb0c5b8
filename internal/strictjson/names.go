package strictjson

// A NameSet holds the names of the properties of one object: as they are, as [Fold] maps
// them, or their [FoldHash]. The zero NameSet is empty.
type NameSet[T comparable] struct {
	few  [12]T
	n    int
	many map[T]struct{}
}

// Add reports whether the name was new.
func (s *NameSet[T]) Add(name T) bool {
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
		s.many = make(map[T]struct{}, 4*len(s.few))
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
