package collector

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"example.com/safeconduct/evidence/trust"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Client may write or read ledgers. Its key shows who it is.
type Client struct {
	Name  string   // for logs and evidence; not empty, no two the same
	Key   KeyHash  // of the bearer key; not zero, no two the same
	Write []string // origins of the ledgers that it may write
	Read  []string // origins of those that it may read; "*" is all
}

// A KeyHash is the SHA-256 of a bearer key. The key itself is not kept: it must be
// one that nobody can guess, 32 random bytes in hexadecimal say.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of a bearer key.
func HashKey(key string) KeyHash { return sha256.Sum256([]byte(key)) }

// LoadClients reads clients from a file as [ParseClients] does. Like the file of a
// private key, only its owner may be able to read it, and it must not be a link:
// whoever can change it decides who may write. Errors name the file and hold none of
// its content; that of a missing file wraps fs.ErrNotExist.
func LoadClients(path string) ([]Client, error) {
	data, err := trust.LoadSecret(path)
	if err != nil {
		return nil, err
	}
	clients, err := parseClients(data)
	if err != nil {
		return nil, fmt.Errorf("collector: clients %s: %w", path, err)
	}
	return clients, nil
}

// ParseClients reads clients from JSON; the package shows how it looks, under
// "Clients". JSON is taken strictly: no member that is not known, none twice, nothing
// after the end.
func ParseClients(data []byte) ([]Client, error) {
	clients, err := parseClients(data)
	if err != nil {
		return nil, fmt.Errorf("collector: clients: %w", err)
	}
	return clients, nil
}

// clientsVersion is the version of the format.
const clientsVersion = 1

func parseClients(data []byte) ([]Client, error) {
	var in struct {
		Version int `json:"version"`
		Clients []struct {
			Name   string   `json:"name"`
			SHA256 string   `json:"sha256"`
			Write  []string `json:"write"`
			Read   []string `json:"read"`
		} `json:"clients"`
	}
	if err := json.Unmarshal(data, &in, json.RejectUnknownMembers(true)); err != nil {
		return nil, syntax(err)
	}
	if in.Version != clientsVersion {
		return nil, fmt.Errorf("version %d is not known, only %d", in.Version, clientsVersion)
	}
	if in.Clients == nil {
		return nil, errors.New("the member clients is missing or null: nobody could do anything")
	}
	clients := make([]Client, 0, len(in.Clients))
	for i, cl := range in.Clients {
		key, err := hex.DecodeString(cl.SHA256)
		if err != nil || len(key) != sha256.Size || cl.SHA256 != strings.ToLower(cl.SHA256) {
			return nil, fmt.Errorf("client %d: sha256 is not 64 lower-case hexadecimal digits", i+1)
		}
		clients = append(clients, Client{Name: cl.Name, Key: KeyHash(key), Write: cl.Write, Read: cl.Read})
	}
	return clients, checkClients(clients)
}

// syntax says where a file is not as it must be, without its content.
func syntax(err error) error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("is cut off: the JSON does not end")
	case errors.As(err, &syntactic):
		return fmt.Errorf("is not JSON that is taken: offset %d", syntactic.ByteOffset)
	case errors.As(err, &semantic):
		return fmt.Errorf("a member is not known or of the wrong type: offset %d", semantic.ByteOffset)
	}
	return errors.New("cannot be read")
}

// checkClients checks what the types do not say.
func checkClients(clients []Client) error {
	for i, cl := range clients {
		before := clients[:i]
		switch {
		case cl.Name == "":
			return fmt.Errorf("client %d: the name is missing or empty", i+1)
		case cl.Key == KeyHash{}:
			return fmt.Errorf("client %d: the hash of the key is missing", i+1)
		case cl.Key == HashKey(""):
			return fmt.Errorf("client %d: the key is empty", i+1)
		case slices.ContainsFunc(before, func(b Client) bool { return b.Name == cl.Name }):
			return fmt.Errorf("client %d: the name is that of another", i+1)
		case slices.ContainsFunc(before, func(b Client) bool { return b.Key == cl.Key }):
			return fmt.Errorf("client %d: the key is that of another", i+1)
		case slices.Contains(cl.Write, ""), slices.Contains(cl.Read, ""):
			return fmt.Errorf("client %d: a ledger without a name", i+1)
		}
		for _, origin := range slices.Concat(cl.Write, cl.Read) {
			if origin == "." || origin == ".." {
				return fmt.Errorf("client %d: a ledger that is called %q has no place in a URL: give it another name", i+1, origin)
			}
		}
	}
	return nil
}

// A client is a Client and its requests under way.
type client struct {
	Client
	slots chan struct{} // one for each request under way
}

func newClient(cl Client, concurrent int) *client {
	return &client{Client: cl, slots: make(chan struct{}, concurrent)}
}

// enter reports whether another request may begin. If so, leave ends it.
func (cl *client) enter() bool {
	select {
	case cl.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (cl *client) leave() { <-cl.slots }

func (cl *client) mayWrite(origin string) bool { return slices.Contains(cl.Write, origin) }

func (cl *client) mayRead(origin string) bool {
	return slices.Contains(cl.Read, "*") || slices.Contains(cl.Read, origin)
}

// authenticate returns the client whose key a request bears (RFC 6750, section 2.1),
// nil if there is none. It takes equally long whichever key that is.
func (c *Collector) authenticate(r *http.Request) (found *client) {
	const scheme = "Bearer "
	header := r.Header.Get("Authorization")
	if len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return nil
	}
	hash := HashKey(header[len(scheme):])
	for _, cl := range c.clients {
		if subtle.ConstantTimeCompare(hash[:], cl.Key[:]) == 1 {
			found = cl
		}
	}
	return found
}
