// SPDX-License-Identifier: Apache-2.0

// Others runs what other people wrote for the same specifications, with nothing of Sallyport's:
//
//	others fsck KEY URL              Tessera's fsck over a log, at a file: or http: address
//	others monitor KEY URL           Torchwood's client reads every entry and authenticates it
//	others proof POLICY PROOF ENTRY  Torchwood's verifier of tlog-proof, under a policy that it reads
//	others feed KEY URL WITNESS      the client of transparency-dev/witness submits a log's checkpoint to a witness
//	others log DIRECTORY POLICY N    a log of Tessera's gets N entries more, and publishes them with the policy's witnesses
//
// The first three and log end with 0 when all is right, and 1 with a reason otherwise. Feed prints what the witness answered.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

var commands = map[string]struct {
	arguments int
	run       func(ctx context.Context, arguments []string) error
}{
	"fsck":    {2, fsckLog},
	"monitor": {2, monitorLog},
	"proof":   {3, verifyProof},
	"feed":    {3, feedWitness},
	"log":     {3, growLog},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if len(os.Args) < 2 || len(os.Args)-2 != commands[os.Args[1]].arguments {
		fmt.Fprintln(os.Stderr, "others: fsck, monitor, proof, feed or log, with its arguments")
		os.Exit(2)
	}
	if err := commands[os.Args[1]].run(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "others:", err)
		os.Exit(1)
	}
}
