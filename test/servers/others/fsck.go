// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// workers: each one ends with the first wrong tile that it sees, and with the last of them fsck would wait for ever. One change makes three tiles wrong.
const workers = 16

func fsckLog(ctx context.Context, arguments []string) error {
	verifier, err := note.NewVerifier(arguments[0])
	if err != nil {
		return err
	}
	fetcher, err := fetcherOf(arguments[1])
	if err != nil {
		return err
	}
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: workers}).Check(ctx); err != nil {
		return err
	}
	fmt.Println("ok")
	return nil
}

func fetcherOf(address string) (fsck.Fetcher, error) {
	location, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if location.Scheme == "file" {
		return &client.FileFetcher{Root: location.Path}, nil
	}
	return client.NewHTTPFetcher(location, nil)
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
