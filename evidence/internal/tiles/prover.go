package tiles

import "golang.org/x/mod/sumdb/tlog"

// A Prover computes the proof that one leaf is in a log from the leaves alone,
// for where they are all read anyway: it needs no tiles, and the memory of a
// [Tree]. The zero Prover is of an empty log. It is not safe for concurrent use.
type Prover struct {
	tree  Tree
	index int64 // of the leaf
	found bool
	at    int // the level of the node in tree.edge that the leaf is below
	path  []Hash
}

// Append adds a leaf. The proof is of the first leaf that is added with prove.
func (p *Prover) Append(leaf Hash, prove bool) {
	prove = prove && !p.found
	if prove {
		p.found, p.index, p.at, p.path = true, p.tree.size, 0, nil
	}
	// Each node that this leaf completes is over one on the edge and one that was
	// just made. Either may be above the leaf that is to be proved.
	h := leaf
	for level := 0; p.tree.size>>level&1 == 1; level++ {
		edge := p.tree.edge[level]
		switch {
		case prove:
			p.path = append(p.path, edge)
			p.at = level + 1
		case p.found && p.at == level:
			p.path = append(p.path, h)
			p.at, prove = level+1, true
		}
		h = tlog.NodeHash(edge, h)
	}
	p.tree.Append(leaf)
}

// Size returns how many leaves the log has.
func (p *Prover) Size() int64 { return p.tree.Size() }

// Root returns the root of the log.
func (p *Prover) Root() Hash { return p.tree.Root() }

// Inclusion returns the index of the leaf that is to be proved and the hashes
// that [CheckInclusion] takes for the log as it is. There must be such a leaf.
func (p *Prover) Inclusion() (index int64, proof []Hash) {
	if !p.found {
		panic("tiles: no leaf was to be proved")
	}
	proof = append([]Hash{}, p.path...)
	var h Hash // over what is to the right of it
	some := false
	for level := 0; level < p.at; level++ {
		if p.tree.size>>level&1 == 0 {
			continue
		}
		if h = p.join(level, h, some); !some {
			some = true
		}
	}
	if some {
		proof = append(proof, h)
	}
	for level := p.at + 1; p.tree.size>>level != 0; level++ {
		if p.tree.size>>level&1 == 1 {
			proof = append(proof, p.tree.edge[level])
		}
	}
	return p.index, proof
}

// join returns the hash over the node of the edge on a level and, if there is
// any, what is to the right of it.
func (p *Prover) join(level int, right Hash, some bool) Hash {
	if !some {
		return p.tree.edge[level]
	}
	return tlog.NodeHash(p.tree.edge[level], right)
}
