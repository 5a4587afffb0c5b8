// Package trust says whose ledgers are believed: by [Policy], which root keys are
// trusted for which ledger, and when. And it keeps keys in files, as openssl and
// cosign read them.
//
//	key, err := trust.GenerateKey()
//	if err != nil {
//		return err
//	}
//	if err := trust.WriteKey("root.key", key); err != nil { // and root.key.pub
//		return err
//	}
//
// With the private half a ledger is written, and with the public half, in a policy
// or by itself, it is verified: see package evidence.
package trust
