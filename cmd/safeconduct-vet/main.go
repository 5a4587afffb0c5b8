// Command safeconduct-vet finds calls around a guard in programs that use
// safeconduct: models, tools, retrievers, chains and agents that are called, and
// requests of providers' own clients that are sent, where no guard can be seen to
// stand before them.
//
//	go install example.com/safeconduct/cmd/safeconduct-vet@latest
//	go vet -vettool=$(which safeconduct-vet) ./...
//	go vet -vettool=$(which safeconduct-vet) -list ./...   # and what is unguarded on purpose
//	safeconduct-vet ./...                                  # the same without go vet
//
// A comment //safeconduct:unguarded REASON silences a call. Package unguarded says
// what is found, and what cannot be seen.
package main

import (
	"golang.org/x/tools/go/analysis/singlechecker"

	"example.com/safeconduct/cmd/safeconduct-vet/unguarded"
)

func main() { singlechecker.Main(unguarded.New()) }
