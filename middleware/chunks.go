package middleware

import "encoding/binary"

// A chunkQueue is a queue of copied chunks. Each takes what it carries and a few
// bytes more. The queue as a whole takes at most a quarter more than that, as
// far as it is more than a few blocks. No byte of it is written twice: who gets a
// chunk may keep it.
type chunkQueue struct {
	blocks  [][]byte
	at      int // where the first chunk begins in blocks[0]
	carries int // bytes that the chunks carry
	takes   int // bytes that they take
}

const (
	firstBlock = 512
	lastBlock  = 16 << 10      // blocks grow up to this
	ownBlock   = 4 * lastBlock // a chunk of this size has a block of its own
)

// What the first byte of a chunk in a queue says of it.
const (
	hasText      = 1 << iota // Text is not nil
	hasReasoning             // Reasoning is not nil
	hasToolCall              // ToolCall is not nil
	repeats                  // Repeats is set
)

// push appends a copy of chunk, unless the queue would then take more than most.
func (q *chunkQueue) push(chunk Chunk, most int) bool {
	var head [1 + 3*binary.MaxVarintLen64]byte
	h := head[:1]
	if chunk.Text != nil {
		head[0] |= hasText
		h = binary.AppendUvarint(h, uint64(len(chunk.Text)))
	}
	if chunk.Reasoning != nil {
		head[0] |= hasReasoning
		h = binary.AppendUvarint(h, uint64(len(chunk.Reasoning)))
	}
	if chunk.ToolCall != nil {
		head[0] |= hasToolCall
		h = binary.AppendUvarint(h, uint64(len(chunk.ToolCall)))
	}
	if chunk.Repeats {
		head[0] |= repeats
	}
	n := len(h) + chunk.Len()
	if n > most-q.takes {
		return false
	}
	if n >= ownBlock {
		q.blocks = append(q.blocks, make([]byte, 0, n))
	}
	q.write(h)
	q.write(chunk.Text)
	q.write(chunk.Reasoning)
	q.write(chunk.ToolCall)
	q.carries += chunk.Len()
	q.takes += n
	return true
}

// write appends bytes to the last block and to new ones.
func (q *chunkQueue) write(p []byte) {
	for len(p) > 0 {
		last := len(q.blocks) - 1
		if last < 0 || len(q.blocks[last]) == cap(q.blocks[last]) {
			size := firstBlock
			if last >= 0 {
				size = min(2*cap(q.blocks[last]), lastBlock)
			}
			q.blocks = append(q.blocks, make([]byte, 0, size))
			last++
		}
		b := q.blocks[last]
		n := min(len(p), cap(b)-len(b))
		q.blocks[last] = append(b, p[:n]...)
		p = p[n:]
	}
}

// first returns how many bytes the first chunk carries, and whether there is one.
func (q *chunkQueue) first() (size int, ok bool) {
	if q.takes == 0 {
		return 0, false
	}
	h := q.head()
	return h.text + h.reasoning + h.toolCall, true
}

// pop takes the first chunk off a queue that is not empty.
func (q *chunkQueue) pop() (chunk Chunk) {
	h := q.head()
	q.skip(h.size)
	reasoning := h.text + h.reasoning // where it ends
	n := reasoning + h.toolCall
	data := q.read(n)
	if h.has&hasText != 0 {
		chunk.Text = data[:h.text:h.text]
	}
	if h.has&hasReasoning != 0 {
		chunk.Reasoning = data[h.text:reasoning:reasoning]
	}
	if h.has&hasToolCall != 0 {
		chunk.ToolCall = data[reasoning:n:n]
	}
	chunk.Repeats = h.has&repeats != 0
	q.carries -= n
	q.takes -= h.size + n
	return chunk
}

// A chunkHead is what stands before the bytes of a chunk in a queue.
type chunkHead struct {
	has  byte
	size int // of the head

	text, reasoning, toolCall int // lengths
}

func (q *chunkQueue) head() (h chunkHead) {
	block, at := 0, q.at
	next := func() byte {
		for at == len(q.blocks[block]) {
			block, at = block+1, 0
		}
		at++
		h.size++
		return q.blocks[block][at-1]
	}
	length := func() (n int) {
		for shift := 0; ; shift += 7 {
			b := next()
			n |= int(b&0x7f) << shift
			if b < 0x80 {
				return n
			}
		}
	}
	h.has = next()
	if h.has&hasText != 0 {
		h.text = length()
	}
	if h.has&hasReasoning != 0 {
		h.reasoning = length()
	}
	if h.has&hasToolCall != 0 {
		h.toolCall = length()
	}
	return h
}

// read takes n bytes off the queue and returns them in one piece.
func (q *chunkQueue) read(n int) []byte {
	q.skip(0)
	if n == 0 {
		return []byte{}
	}
	if b := q.blocks[0]; n <= len(b)-q.at {
		data := b[q.at : q.at+n]
		q.skip(n)
		return data
	}
	data := make([]byte, 0, n) // it lies across blocks
	for len(data) < n {
		b := q.blocks[0][q.at:]
		b = b[:min(len(b), n-len(data))]
		data = append(data, b...)
		q.skip(len(b))
	}
	return data
}

// skip moves the begin of the queue by n bytes, and lets go of blocks that have
// been read.
func (q *chunkQueue) skip(n int) {
	q.at += n
	for len(q.blocks) > 1 && q.at >= len(q.blocks[0]) {
		q.at -= len(q.blocks[0])
		q.blocks[0] = nil
		q.blocks = q.blocks[1:]
	}
}
