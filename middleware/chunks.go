package middleware

import (
	"encoding/binary"
	"slices"
)

// A chunkQueue is a queue of copied chunks. Each takes what it carries and a few
// bytes more. The queue as a whole takes at most a quarter more than that, as far as
// it is more than a few blocks. No byte of it is written twice: who gets a chunk may
// keep it.
type chunkQueue struct {
	blocks  [][]byte // chunks, one after the other
	at      int      // where the first chunk begins in blocks[0]
	long    [][]byte // what the long ones among them carry
	carries int      // bytes that the chunks carry
	takes   int      // bytes that they take
}

const (
	firstBlock = 512
	lastBlock  = 16 << 10 // blocks grow up to this
	longChunk  = lastBlock / 16
)

// The first byte of a chunk in a queue has bit i set where part i is not nil, and these.
// The lengths of the parts follow, and the parts, but for those of a long chunk.
const (
	repeats = 1 << (3 + iota) // Repeats is set
	isLong
)

// push appends a copy of chunk, unless the queue would then take more than most.
func (q *chunkQueue) push(chunk Chunk, most int) bool {
	parts := [...][]byte{chunk.Text, chunk.Reasoning, chunk.ToolCall}
	var room [1 + len(parts)*binary.MaxVarintLen64]byte
	head := room[:1]
	for i, part := range parts {
		if part != nil {
			head[0] |= 1 << i
			head = binary.AppendUvarint(head, uint64(len(part)))
		}
	}
	if chunk.Repeats {
		head[0] |= repeats
	}
	carries := chunk.Len()
	if len(head)+carries > most-q.takes {
		return false
	}
	q.carries += carries
	q.takes += len(head) + carries
	if carries >= longChunk {
		head[0] |= isLong
		q.long = append(q.long, slices.Concat(parts[:]...))
		q.write(head)
		return true
	}
	q.write(head, parts[:]...)
	return true
}

// write appends a chunk to the last block, or to a new one.
func (q *chunkQueue) write(head []byte, parts ...[]byte) {
	n := len(head)
	for _, part := range parts {
		n += len(part)
	}
	last := len(q.blocks) - 1
	if last < 0 || n > cap(q.blocks[last])-len(q.blocks[last]) {
		size := firstBlock
		if last >= 0 {
			size = min(2*cap(q.blocks[last]), lastBlock)
		}
		q.blocks = append(q.blocks, make([]byte, 0, max(size, n)))
		last++
	}
	b := append(q.blocks[last], head...)
	for _, part := range parts {
		b = append(b, part...)
	}
	q.blocks[last] = b
}

// pop takes the first chunk off the queue, if there is one and those that remain carry
// at least so many bytes.
func (q *chunkQueue) pop(remain int) (chunk Chunk, ok bool) {
	if q.takes == 0 {
		return Chunk{}, false
	}
	for q.at == len(q.blocks[0]) { // it has been read
		q.blocks[0] = nil
		q.blocks, q.at = q.blocks[1:], 0
	}
	block := q.blocks[0]
	has, at := block[q.at], q.at+1
	var sizes [3]int
	carries := 0
	for i := range sizes {
		if has&(1<<i) != 0 {
			size, n := binary.Uvarint(block[at:])
			sizes[i] = int(size)
			carries += sizes[i]
			at += n
		}
	}
	if q.carries-carries < remain {
		return Chunk{}, false
	}
	q.carries -= carries
	q.takes -= at - q.at + carries
	q.at = at
	data := block[at:]
	if has&isLong != 0 {
		data = q.long[0]
		q.long[0] = nil
		q.long = q.long[1:]
	} else {
		q.at += carries
	}
	for i, part := range [...]*[]byte{&chunk.Text, &chunk.Reasoning, &chunk.ToolCall} {
		if has&(1<<i) != 0 {
			*part = data[:sizes[i]:sizes[i]]
			data = data[sizes[i]:]
		}
	}
	chunk.Repeats = has&repeats != 0
	return chunk, true
}
