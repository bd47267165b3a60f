// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func monitorLog(ctx context.Context, arguments []string) error {
	verifier, err := torchwood.NewLogVerifier(arguments[0])
	if err != nil {
		return err
	}
	fetcher, err := torchwood.NewTileFetcher(arguments[1])
	if err != nil {
		return err
	}
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(verifier.Name()), torchwood.SingleVerifierPolicy(verifier))
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	var count int64
	for range client.AllEntries(ctx, checkpoint.Tree, 0) {
		count++
	}
	if err := client.Err(); err != nil {
		return err
	}
	if count != checkpoint.N {
		return fmt.Errorf("%d entries of %d could be read", count, checkpoint.N)
	}
	fmt.Printf("ok %d\n", count)
	return nil
}

func verifyProof(_ context.Context, arguments []string) error {
	var files [3][]byte
	for i, path := range arguments {
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	policy, err := torchwood.ParsePolicy(files[0])
	if err != nil {
		return err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(files[2]), files[1]); err != nil {
		return err
	}
	fmt.Println("ok")
	return nil
}
