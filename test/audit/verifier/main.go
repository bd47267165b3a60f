// SPDX-License-Identifier: Apache-2.0

// Verifier checks a transparency log, or a proof from one, with nothing of Sallyport's: notes, trees and proofs are those of
// golang.org/x/mod/sumdb, cosignatures are checked by crypto/ed25519.
//
//	verifier -vkey KEY [-witness KEY]… -log DIR
//	verifier -vkey KEY [-witness KEY]… -proof FILE [-entry FILE]
//
// With -log it checks the checkpoint's signature, and every entry, tile and root against each other. With -proof
// it checks that an entry (of a file, or the one that the proof carries) is in the log. Each -witness has to have cosigned.
// Ends with 0 when all is right, 1 when something is not, 2 for a wrong command line.
package main

import (
	"flag"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
)

type keyList []string

func (list *keyList) String() string { return fmt.Sprint(*list) }

func (list *keyList) Set(value string) error {
	*list = append(*list, value)
	return nil
}

func main() {
	var witnesses keyList
	vkey := flag.String("vkey", "", "verifier key of the log")
	logDir := flag.String("log", "", "directory of the log")
	proofFile := flag.String("proof", "", "a .tlog-proof")
	entryFile := flag.String("entry", "", "the entry that the proof is for; without, the proof's extra data")
	flag.Var(&witnesses, "witness", "verifier key of a witness that has to have cosigned; may be given several times")
	flag.Parse()
	if *vkey == "" || flag.NArg() > 0 || (*logDir == "") == (*proofFile == "") {
		flag.Usage()
		os.Exit(2)
	}
	keys, err := newTrust(*vkey, witnesses)
	if err != nil {
		fail(err)
	}
	if *logDir != "" {
		err = verifyLog(keys, *logDir)
	} else {
		err = verifyProof(keys, *proofFile, *entryFile)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "verifier:", err)
	os.Exit(1)
}

// trust is whose signatures have to be on a checkpoint: all of them.
type trust struct {
	log       note.Verifier
	witnesses []note.Verifier
}

func newTrust(vkey string, witnessKeys []string) (trust, error) {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return trust{}, fmt.Errorf("key of the log: %w", err)
	}
	keys := trust{log: log}
	for _, key := range witnessKeys {
		witness, err := newCosignatureVerifier(key)
		if err != nil {
			return trust{}, fmt.Errorf("key of a witness: %w", err)
		}
		keys.witnesses = append(keys.witnesses, witness)
	}
	return keys, nil
}
