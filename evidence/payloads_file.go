package evidence

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/osfile"
)

// OpenPayload reads the content that was kept of a commitment from the ledger in
// the directory dir, while a Recorder writes to it or not. It changes nothing.
// What it returns hashes to the commitment; whether the commitment is the
// ledger's is another question, for [Verify].
//
// Errors name the file and hold none of its content. That of a content which was
// never kept, was erased, or is not written yet wraps fs.ErrNotExist.
func OpenPayload(dir string, key []byte, commitment string) (record.Disclosure, error) {
	d, err := openPayload(dir, key, commitment)
	if err != nil {
		return record.Disclosure{}, fmt.Errorf("evidence: %w", err)
	}
	return d, nil
}

func openPayload(dir string, key []byte, commitment string) (record.Disclosure, error) {
	if err := checkPayloadKey(key); err != nil {
		return record.Disclosure{}, fmt.Errorf("payload: %w", err)
	}
	return readPayload(filepath.Join(dir, payloadsName), key, commitment)
}

// A payload file is
//
//	the line           safeconduct payload v1
//	12 bytes           nonce, random
//	the rest but 16    the ID of the record, a newline, and the disclosure, encrypted
//	16 bytes           tag
//
// by AES-256-GCM with the commitment as additional data. The key is the file's
// own, HKDF-SHA-256 of Payloads.Key without a salt and with that line, its
// newline and the commitment as info: under a single one, random nonces would
// bound how many contents may ever be encrypted.
//
// The file stands at payloads/XX/COMMITMENT, with the first two characters of
// the commitment for XX.
const (
	payloadsName  = "payloads"
	payloadMagic  = "safeconduct payload "
	payloadHeader = payloadMagic + "v1\n"
	payloadTemp   = "new" // the file that is being written, in each XX; no commitment

	payloadOverhead  = 12 + 16                   // nonce and tag
	payloadLimit     = 64 << 20                  // of Payloads.MaxContent
	payloadFileLimit = payloadLimit + (64 << 10) // of a file that is read
	payloadShardSize = 2                         // characters of XX
	commitmentSize   = (8*sha256.Size + 5) / 6   // characters
)

func checkPayloadKey(key []byte) error {
	if len(key) != trust.PayloadKeySize {
		return fmt.Errorf("the key has %d bytes, not %d", len(key), trust.PayloadKeySize)
	}
	return nil
}

// checkCommitment takes what commitment returns and nothing else, least of all
// a path.
func checkCommitment(s string) error {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(sum) != sha256.Size || len(s) != commitmentSize {
		return fmt.Errorf("not a commitment: one has %d characters of base64url", commitmentSize)
	}
	return nil
}

func payloadPath(dir, commitment string) (string, error) {
	if err := checkCommitment(commitment); err != nil {
		return "", err
	}
	return filepath.Join(dir, commitment[:payloadShardSize], commitment), nil
}

func payloadCipher(key []byte, commitment string) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, nil, payloadHeader+commitment, trust.PayloadKeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealPayload appends the content of a file to sealed, by way of plain.
func sealPayload(plain, sealed, key []byte, commitment string, d record.Disclosure) (_, _ []byte, err error) {
	if len(d.Record) > record.MaxName || strings.Contains(d.Record, "\n") {
		return plain, sealed, errPayloadRecord
	}
	aead, err := payloadCipher(key, commitment)
	if err != nil {
		return plain, sealed, err
	}
	plain = append(plain, d.Record...)
	plain = append(plain, '\n')
	plain = append(plain, d.Encoded...)
	sealed = append(sealed, payloadHeader...)
	//nolint:gosec // G407: this cipher makes its own nonce and must be given none
	return plain, aead.Seal(sealed, nil, plain, []byte(commitment)), nil
}

// unsealPayload reads the content of a file.
func unsealPayload(file, key []byte, commitment string) (record.Disclosure, error) {
	sealed, ok := bytes.CutPrefix(file, []byte(payloadHeader))
	switch {
	case len(file) == 0:
		return record.Disclosure{}, errors.New("is empty: it was not on the disk when the power failed, perhaps")
	case !ok && strings.HasPrefix(payloadHeader, string(file)), ok && len(sealed) < payloadOverhead:
		return record.Disclosure{}, errors.New("is cut off")
	case !ok && bytes.HasPrefix(file, []byte(payloadMagic)):
		return record.Disclosure{}, errors.New("is of a version that is not known")
	case !ok:
		return record.Disclosure{}, errors.New("is not a payload file")
	}
	aead, err := payloadCipher(key, commitment)
	if err != nil {
		return record.Disclosure{}, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(commitment))
	if err != nil {
		return record.Disclosure{}, errors.New("cannot be decrypted: it was edited or cut off, or this is not its key")
	}
	id, encoded, ok := strings.Cut(string(plain), "\n")
	d := record.Disclosure{Record: id, Encoded: encoded}
	if !ok || d.Commitment() != commitment {
		return record.Disclosure{}, errors.New("holds the disclosure of another commitment, or none")
	}
	return d, nil
}

func readPayload(dir string, key []byte, commitment string) (record.Disclosure, error) {
	path, err := payloadPath(dir, commitment)
	if err != nil {
		return record.Disclosure{}, fmt.Errorf("payload: %w", err)
	}
	data, err := readPayloadFile(dir, commitment)
	if err != nil {
		return record.Disclosure{}, fmt.Errorf("payload %s: %w", path, osfile.WithoutPath(err))
	}
	d, err := unsealPayload(data, key, commitment)
	if err != nil {
		return record.Disclosure{}, fmt.Errorf("payload %s: %w", path, err)
	}
	return d, nil
}

func readPayloadFile(dir, commitment string) ([]byte, error) {
	root, err := openPayloadRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only read by
	shard, err := openDirIn(root, commitment[:payloadShardSize])
	if err != nil {
		return nil, err
	}
	defer func() { _ = shard.Close() }() // only read by
	f, info, err := openRegularIn(shard, commitment)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if info.Size() > payloadFileLimit {
		return nil, errors.New("is too large to be a payload file")
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return data, nil
}

// errLink is that a symbolic link stands where none is followed.
var errLink = errors.New("is a symbolic link")

// openPayloadRoot opens the directory of payloads. Nothing outside of it can be
// reached through what it returns, and a link to elsewhere is no such directory:
// whoever can write to a ledger must not say where contents go, or what is erased.
func openPayloadRoot(dir string) (*os.Root, error) {
	ledger, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = ledger.Close() }() // only read by
	return openDirIn(ledger, filepath.Base(dir))
}

func openDirIn(root *os.Root, name string) (*os.Root, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("%s %w", name, errLink)
	}
	return root.OpenRoot(name)
}

func openRegularIn(dir *os.Root, name string) (*os.File, fs.FileInfo, error) {
	info, err := dir.Lstat(name)
	switch {
	case err != nil:
		return nil, nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, nil, errLink
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("is not a regular file")
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|osfile.Nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a regular file")
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, nil, err
	}
	return f, info, nil
}

// keep writes the file of a commitment and returns by how much the files grew.
func (s *payloadStore) keep(commitment string, d record.Disclosure) (grown int64, err error) {
	path, err := payloadPath(s.dir, commitment)
	if err != nil {
		return 0, fmt.Errorf("payload: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("payload %s: %w", path, osfile.WithoutPath(err))
		}
	}()
	plain, sealed, err := sealPayload(s.plain[:0], s.sealed[:0], s.key, commitment, d)
	s.plain, s.sealed = reusable(plain), reusable(sealed)
	if err != nil {
		return 0, err
	}
	shard, err := s.openShard(commitment)
	if err != nil {
		return 0, err
	}
	defer func() { _ = shard.Close() }() // only worked by
	grown = sizeOnDisk(int64(len(sealed)))
	if info, err := shard.Lstat(commitment); err == nil && info.Mode().IsRegular() {
		grown -= sizeOnDisk(info.Size())
	}
	switch {
	case s.bytes+grown > s.maxBytes: // only this goroutine changes s.bytes
		return 0, errPayloadFull
	case !s.space.hasRoom(s.dir, sizeOnDisk(int64(len(sealed)))):
		return 0, errPayloadSpace
	}
	if err := s.writeFile(shard, commitment, sealed); err != nil {
		return 0, err
	}
	return grown, nil
}

// openShard opens the directory of a commitment, and makes it if there is none.
func (s *payloadStore) openShard(commitment string) (*os.Root, error) {
	root, err := openPayloadRoot(s.dir) // where the ledger was moved away, none is begun here
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only worked by
	name := commitment[:payloadShardSize]
	shard, err := openDirIn(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		shard, err = openDirIn(root, name)
	}
	return shard, err
}

// writeFile puts a whole file there or none.
func (s *payloadStore) writeFile(shard *os.Root, name string, data []byte) error {
	f, err := createTemp(shard)
	if err != nil {
		return err
	}
	_, err = s.write(f, data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = shard.Rename(payloadTemp, name)
	}
	if err != nil {
		_ = shard.Remove(payloadTemp) // it is overwritten next time, at the latest
	}
	return err
}

// createTemp makes the one temporary file of a directory anew.
func createTemp(dir *os.Root) (*os.File, error) {
	f, err := dir.OpenFile(payloadTemp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if err := dir.Remove(payloadTemp); err != nil {
			return nil, err
		}
		f, err = dir.OpenFile(payloadTemp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return f, err
}

// remove removes the file of a commitment, and what a failed write may have
// left of it.
func (s *payloadStore) remove(commitment string) (existed bool, grown int64, err error) {
	path, err := payloadPath(s.dir, commitment)
	if err != nil {
		return false, 0, fmt.Errorf("payload: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("payload %s: erase: %w", path, osfile.WithoutPath(err))
		}
	}()
	root, err := openPayloadRoot(s.dir)
	if err != nil {
		return false, 0, err // moved away perhaps, not erased
	}
	defer func() { _ = root.Close() }() // only worked by
	shard, err := openDirIn(root, commitment[:payloadShardSize])
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	} else if err != nil {
		return false, 0, err
	}
	defer func() { _ = shard.Close() }() // only worked by
	if err := shard.Remove(payloadTemp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, 0, err
	}
	info, err := shard.Lstat(commitment)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, 0, err
	case info.IsDir():
		return false, 0, errors.New("is a directory")
	default:
		if err := shard.Remove(commitment); err != nil {
			return true, 0, err
		}
		if existed = true; info.Mode().IsRegular() {
			grown = -sizeOnDisk(info.Size())
		}
	}
	// Even where there is nothing: a call before may have failed just here.
	if err := s.sync(shard); err != nil {
		return existed, grown, fmt.Errorf("removed, but perhaps not for good: %w", osfile.WithoutPath(err))
	}
	return existed, grown, nil
}
