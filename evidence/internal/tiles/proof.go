package tiles

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1\n"
	maxHashes   = 60 // a path through MaxSize leaves

	// MaxExtra bounds the extra data of a proof, in bytes. Other readers may
	// take less: one of transparency-dev takes lines of 64 KiB.
	MaxExtra = 12 << 20
)

// A Proof shows offline that a leaf is in a log. As text it looks like this:
//
//	c2sp.org/tlog-proof@v1
//	extra aGVsbG8=
//	index 1
//	gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//
//	example.com/fancylog
//	2
//	sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=
//
//	— example.com/fancylog hI2DJw...1roloI=
type Proof struct {
	Extra      []byte // what nobody signed, at most MaxExtra bytes; empty for no such line
	Index      int64
	Hashes     []Hash // from the sibling of the leaf up, at most 60
	Checkpoint []byte // the signed note, verbatim
}

// Marshal returns the proof as text, which [ParseProof] takes if the proof is
// within the bounds of its fields.
func (p Proof) Marshal() []byte {
	b := []byte(proofHeader)
	if len(p.Extra) > 0 {
		b = append(b, "extra "...)
		b = append(base64.StdEncoding.AppendEncode(b, p.Extra), '\n')
	}
	b = append(b, "index "...)
	b = append(strconv.AppendInt(b, p.Index, 10), '\n')
	for _, h := range p.Hashes {
		b = append(base64.StdEncoding.AppendEncode(b, h[:]), '\n')
	}
	b = append(b, '\n')
	return append(b, p.Checkpoint...)
}

// ParseProof parses the text of a proof, in its one form: what it takes, Marshal
// returns again. It proves nothing: the checkpoint is for [Open] to check and
// the hashes for [CheckInclusion].
func ParseProof(b []byte) (Proof, error) {
	var p Proof
	rest, ok := bytes.CutPrefix(b, []byte(proofHeader))
	if !ok {
		return Proof{}, errors.New("tiles: proof: no header")
	}
	line, rest, ok := cutLine(rest)
	if text, found := bytes.CutPrefix(line, []byte("extra ")); found && ok {
		if len(text) == 0 || len(text) > base64.StdEncoding.EncodedLen(MaxExtra) {
			return Proof{}, errors.New("tiles: proof: extra data is empty or too long")
		}
		extra, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
		// The decoder skips carriage returns.
		if err != nil || base64.StdEncoding.EncodedLen(len(extra)) != len(text) {
			return Proof{}, errors.New("tiles: proof: malformed extra data")
		}
		p.Extra = extra
		line, rest, ok = cutLine(rest)
	}
	text, found := bytes.CutPrefix(line, []byte("index "))
	if !ok || !found {
		return Proof{}, errors.New("tiles: proof: no index")
	}
	index, err := parseDecimal(string(text))
	if err != nil || index >= MaxSize {
		return Proof{}, errors.New("tiles: proof: malformed index")
	}
	p.Index = index
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return Proof{}, errors.New("tiles: proof: no checkpoint")
		}
		if len(line) == 0 {
			break
		}
		h, err := parseHash(string(line))
		if err != nil {
			return Proof{}, errors.New("tiles: proof: malformed hash")
		}
		if p.Hashes = append(p.Hashes, h); len(p.Hashes) > maxHashes {
			return Proof{}, errors.New("tiles: proof: too many hashes")
		}
	}
	if len(rest) == 0 || len(rest) > maxNote {
		return Proof{}, errors.New("tiles: proof: the checkpoint is empty or too long")
	}
	p.Checkpoint = bytes.Clone(rest)
	return p, nil
}

// cutLine cuts a line of no more than the longest that a proof can have.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	const most = len("extra ") + (MaxExtra+2)/3*4
	i := bytes.IndexByte(b[:min(len(b), most+1)], '\n')
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}
