package trust

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"example.com/safeconduct/internal/osfile"
)

// PayloadKeySize is how many bytes the key of a payload store has.
const PayloadKeySize = 32

// WritePayloadKey writes a key for the payload store of a ledger to a new file, as
// one line of base64, readable by its owner only. It does not overwrite: where the
// file exists the error wraps fs.ErrExist and nothing has changed.
func WritePayloadKey(path string, key []byte) error {
	if len(key) != PayloadKeySize {
		return fmt.Errorf("trust: write payload key %s: the key has %d bytes, not %d", path, len(key), PayloadKeySize)
	}
	text := append(base64.StdEncoding.AppendEncode(nil, key), '\n')
	defer clear(text)
	if err := osfile.WriteNew(path, text, 0o600); err != nil {
		return fmt.Errorf("trust: write payload key: %w", err)
	}
	return nil
}

// LoadPayloadKey reads a key that [WritePayloadKey] wrote. It is as careful about
// the file as [LoadKey], and its errors are alike.
func LoadPayloadKey(path string) ([]byte, error) {
	key, err := loadPayloadKey(path)
	if err != nil {
		return nil, fmt.Errorf("trust: payload key %s: %w", path, err)
	}
	return key, nil
}

func loadPayloadKey(path string) ([]byte, error) {
	data, err := readKeyFile(path, true)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	text := bytes.TrimSuffix(data, []byte("\n"))
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("is in PEM: that is another kind of key")
	case len(text) != base64.StdEncoding.EncodedLen(PayloadKeySize):
		return nil, fmt.Errorf("is not a line of %d characters of base64", base64.StdEncoding.EncodedLen(PayloadKeySize))
	}
	key, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(key) != PayloadKeySize {
		return nil, errors.New("is not in base64") // the cause may quote it
	}
	return key, nil
}
