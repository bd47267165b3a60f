// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera/client"
	witnessclient "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

// feedWitness asks for the witness's size first, as a client does that does not know it.
func feedWitness(ctx context.Context, arguments []string) error {
	verifier, err := note.NewVerifier(arguments[0])
	if err != nil {
		return err
	}
	logURL, err := url.Parse(arguments[1])
	if err != nil {
		return err
	}
	witnessURL, err := url.Parse(arguments[2])
	if err != nil {
		return err
	}
	fetcher, err := client.NewHTTPFetcher(logURL, nil)
	if err != nil {
		return err
	}
	checkpoint, signed, _, err := client.FetchCheckpoint(ctx, fetcher.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return err
	}
	target := witnessclient.NewWitness(witnessURL, http.DefaultClient)
	cosignatures, size, err := target.Update(ctx, 0, signed, nil)
	if errors.Is(err, witness.ErrCheckpointStale) {
		fmt.Printf("conflict %d\n", size)
		cosignatures, size, err = updateFrom(ctx, size, growth{fetcher, checkpoint, signed, target})
	}
	if err != nil {
		fmt.Printf("refused: %v\n", err)
		return nil
	}
	fmt.Printf("cosigned\n%s", cosignatures)
	return nil
}

type growth struct {
	fetcher    *client.HTTPFetcher
	checkpoint *log.Checkpoint
	signed     []byte
	target     witnessclient.Witness
}

func updateFrom(ctx context.Context, size uint64, to growth) ([]byte, uint64, error) {
	builder, err := client.NewProofBuilder(ctx, to.checkpoint.Size, to.fetcher.ReadTile)
	if err != nil {
		return nil, 0, err
	}
	var proof [][]byte
	// Of sizes that are no growth there is no proof, and the witness is to say so.
	if size < to.checkpoint.Size {
		if proof, err = builder.ConsistencyProof(ctx, size, to.checkpoint.Size); err != nil {
			return nil, 0, err
		}
	}
	return to.target.Update(ctx, size, to.signed, proof)
}
