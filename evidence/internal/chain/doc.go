// Package chain reads the entries of a ledger as signed records, in order, and
// says who signed each and whether that key might: what every verifier, a
// replica and a writer that opens its own ledger again have in common.
//
// [Scan] goes through a ledger and opens its envelopes in parallel. A [Keyring]
// follows which session keys the root keys introduce. [Sessions] say whose
// signature on a checkpoint counts. What a verifier makes of all that, and
// whether records follow one another, is judged by whoever asks.
package chain
